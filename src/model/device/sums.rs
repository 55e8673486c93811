//! Where weighted gradients are added up on the device: one vector a trained tensor, in double precision.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{DType, Result, Tensor};

use crate::model::layout::Part;

/// Sums of the trained tensors, by where their gradients lie.
#[derive(Default)]
pub struct Sums {
    parts: BTreeMap<usize, (Range<usize>, Tensor)>,
}

impl Sums {
    /// Adds a gradient in single precision to the sum of a part, if it is trained.
    pub fn add(&mut self, part: &Part, gradient: &Tensor) -> Result<()> {
        let Some(slot) = part.slot.clone() else { return Ok(()) };
        let gradient = gradient.flatten_all()?.to_dtype(DType::F64)?;
        let sum = match self.parts.remove(&slot.start) {
            Some((_, sum)) => (sum + gradient)?,
            None => gradient,
        };
        self.parts.insert(slot.start, (slot, sum));
        Ok(())
    }

    /// Writes the sums to the vector of trained parameters; what nothing was added to is 0.
    pub fn write(self, out: &mut [f64]) -> Result<()> {
        out.fill(0.0);
        for (slot, sum) in self.parts.into_values() {
            out[slot].copy_from_slice(&sum.to_vec1::<f64>()?);
        }
        Ok(())
    }
}

/// `x` (`n x q`) with every row of a chunk (`n / b` places) multiplied by its factor.
pub fn scaled(x: &Tensor, factors: &Factors) -> Result<Tensor> {
    let x = factors.clear(x)?;
    let (n, q) = x.dims2()?;
    let b = factors.factors.dim(0)?;
    x.reshape((b, n / b, q))?.broadcast_mul(&factors.factors)?.reshape((n, q))
}

/// How often each row of a chunk counts.
pub struct Factors {
    /// `b x 1 x 1`
    factors: Tensor,
    /// Where rows that are not finite must be emptied, for 0 times infinity is not 0: 1 for those that
    /// count, `b x 1 x 1`.
    counts: Option<Tensor>,
}

impl Factors {
    /// From the host. `finite`: whether everything that the passes left is.
    pub fn new(factors: &[f32], finite: bool, device: &candle_core::Device) -> Result<Self> {
        let b = factors.len();
        let counts: Vec<u8> = factors.iter().map(|&factor| u8::from(factor != 0.0)).collect();
        let counts = if finite { None } else { Some(Tensor::from_slice(&counts, (b, 1, 1), device)?) };
        Ok(Self { factors: Tensor::from_slice(factors, (b, 1, 1), device)?, counts })
    }

    /// `x` (`n x q`) with zeros for the rows that count 0 times, if any of them could hold anything else.
    pub fn clear(&self, x: &Tensor) -> Result<Tensor> {
        let Some(counts) = &self.counts else { return Ok(x.clone()) };
        let (n, q) = x.dims2()?;
        let shape = (counts.dim(0)?, n / counts.dim(0)?, q);
        let x = x.reshape(shape)?;
        counts.broadcast_as(shape)?.where_cond(&x, &x.zeros_like()?)?.reshape((n, q))
    }
}

/// Squared norms of the rows of a chunk, in double precision, `b`.
pub struct Norms {
    rows: usize,
    squared: Tensor,
}

/// Share of the triangle bound that is added to a squared norm: see `ghost`.
const ROUNDING: f64 = crate::model::ghost::ROUNDING;

impl Norms {
    /// Zeros for `rows` rows.
    pub fn new(rows: usize, device: &candle_core::Device) -> Result<Self> {
        Ok(Self { rows, squared: Tensor::zeros(rows, DType::F64, device)? })
    }

    /// Adds a part's squared norms (`b`, single precision).
    pub fn add(&mut self, squared: &Tensor) -> Result<()> {
        self.squared = (&self.squared + squared.to_dtype(DType::F64)?)?;
        Ok(())
    }

    /// Adds the slack for rounding: `triangle` (`b`) is a bound on the norm by the triangle inequality.
    pub fn add_rounding(&mut self, triangle: &Tensor) -> Result<()> {
        self.squared = (&self.squared + (triangle.to_dtype(DType::F64)?.sqr()? * ROUNDING)?)?;
        Ok(())
    }

    /// Adds `|a' g|^2` of every row, for `a` of `n x p` and `g` of `n x q`: as inner products of places, or
    /// formed where that is cheaper.
    pub fn add_product(&mut self, a: &Tensor, g: &Tensor) -> Result<()> {
        let (a, g) = (self.by_row(a)?, self.by_row(g)?);
        let (t, p, q) = (a.dim(1)?, a.dim(2)?, g.dim(2)?);
        let squared = if t * (p + q) < 2 * p * q {
            (a.matmul(&a.t()?)? * g.matmul(&g.t()?)?)?
        } else {
            a.t()?.contiguous()?.matmul(&g)?.sqr()?
        };
        self.add(&squared.sum((1, 2))?)?;
        let lengths = (a.sqr()?.sum(2)?.sqrt()? * g.sqr()?.sum(2)?.sqrt()?)?;
        self.add_rounding(&lengths.sum(1)?)
    }

    /// Adds the squared norm of the sum of every row's places, for `g` of `n x q`.
    pub fn add_columns(&mut self, g: &Tensor) -> Result<()> {
        let columns = self.by_row(g)?.sum(1)?;
        self.add(&columns.sqr()?.sum(1)?)
    }

    /// `b x t x q` of `n x q`.
    pub fn by_row(&self, x: &Tensor) -> Result<Tensor> {
        let (n, q) = x.dims2()?;
        x.reshape((self.rows, n / self.rows, q))
    }

    /// The squared norms, on the host.
    pub fn read(&self) -> Result<Vec<f64>> {
        self.squared.to_vec1()
    }
}
