//! Sums of clipped gradients over a batch on a device.

use candle_core::{Device, Result, Tensor};

use super::arithmetic::Precision;
use super::attention::{Attention, causal};
use super::block::{self, BlockDown, BlockUp};
use super::chunk::{Loaded, masks};
use super::ends::{self, Top};
use super::norm;
use super::parameters::Parameters;
use super::place::DeviceError;
use super::sums::{Factors, Norms, Sums};
use crate::model::batch::{Batch, Chunk, Cut};
use crate::model::clip::{Clipping, unit_factors};
use crate::model::gpt2::Gpt2;

/// The most rows of a chunk.
const ROWS: usize = 1024;

/// Passes over batches on a device. Chunks are cut by a fixed rule and filled up to a fixed shape, so that
/// what is computed for one row does not depend on the others; a chunk's sum is in single precision, sums
/// of chunks are in double.
pub struct OnDevice {
    device: Device,
    precision: Precision,
    /// Places of a chunk.
    places: usize,
    /// Most rows of a unit.
    longest: usize,
    masks: Option<Tensor>,
}

/// What a chunk's passes share.
struct Pass<'a> {
    model: &'a Gpt2,
    p: &'a Parameters,
    loaded: Loaded,
    attention: Attention,
}

/// The way up of a chunk.
struct Up {
    blocks: Vec<BlockUp>,
    top: Top,
}

/// The way down of a chunk; nothing, where the output matrix alone is trained.
struct Down {
    gy_f: Tensor,
    blocks: Vec<BlockDown>,
    /// Gradient of the embeddings, `n x d`.
    gx: Tensor,
}

impl OnDevice {
    /// Passes for a model and for units of at most `longest` rows, `places` places at a time.
    ///
    /// # Errors
    /// [`DeviceError::Sets`] when the model's grammar does not fit; [`DeviceError::Operation`].
    pub fn new(
        model: &Gpt2,
        longest: usize,
        places: usize,
        (device, precision): (Device, Precision),
    ) -> std::result::Result<Self, DeviceError> {
        let masks = masks(model, &device)?;
        Ok(Self { device, precision, places, longest, masks })
    }

    /// As [`Lanes::gradient_sum`](crate::model::Lanes::gradient_sum).
    ///
    /// # Errors
    /// [`DeviceError::Operation`] when the device fails; nothing of `out` is to be used then.
    pub fn gradient_sum(
        &mut self,
        model: &Gpt2,
        parameters: &[f32],
        batch: Batch<'_>,
        clipping: Clipping,
        out: &mut [f64],
    ) -> std::result::Result<(), DeviceError> {
        let p = Parameters::new(parameters, &self.device)?;
        let mut sums = Sums::default();
        for chunk in batch.chunks(self.cut(model)) {
            let pass = self.pass(model, &p, batch, &chunk)?;
            let up = pass.up(self.masks.as_ref())?;
            pass.add(&up, (&chunk, clipping), &mut sums)?;
        }
        Ok(sums.write(out)?)
    }

    /// The loss of every row. On private rows this is private.
    ///
    /// # Errors
    /// [`DeviceError::Operation`] when the device fails.
    pub fn losses(
        &mut self,
        model: &Gpt2,
        parameters: &[f32],
        batch: Batch<'_>,
    ) -> std::result::Result<Vec<f32>, DeviceError> {
        let p = Parameters::new(parameters, &self.device)?;
        let mut losses = vec![0.0; batch.rows()];
        for chunk in batch.chunks(self.cut(model)) {
            let up = self.pass(model, &p, batch, &chunk)?.up(self.masks.as_ref())?;
            chunk.rows.iter().zip(up.top.loss.to_vec1::<f32>()?).for_each(|(&row, loss)| losses[row] = loss);
        }
        Ok(losses)
    }

    fn cut(&self, model: &Gpt2) -> Cut {
        Cut { places: self.places, rows: ROWS, longest: model.longest() }
    }

    fn pass<'a>(&self, model: &'a Gpt2, p: &'a Parameters, batch: Batch<'_>, chunk: &Chunk) -> Result<Pass<'a>> {
        let b = self.cut(model).rows_of(chunk.places).max(self.longest).max(chunk.rows.len());
        let loaded = Loaded::new(model, batch, chunk, b, &self.device)?;
        let (h, d) = (model.config().heads, model.config().width);
        let attention = Attention { b, t: chunk.places, h, d, precision: self.precision };
        Ok(Pass { model, p, loaded, attention })
    }
}

impl Pass<'_> {
    fn up(&self, masks: Option<&Tensor>) -> Result<Up> {
        let mut x = ends::embed(self.model, self.p, &self.loaded)?;
        let causal = causal(self.loaded.t, x.device())?;
        let mut blocks = Vec::new();
        for l in &self.model.layout().blocks {
            let (out, block) = block::forward(l, self.p, &x, (self.attention, &causal))?;
            (x, _) = (out, blocks.push(block));
        }
        let top = ends::top((self.model, self.attention.precision), self.p, (&self.loaded, masks), &x)?;
        Ok(Up { blocks, top })
    }

    fn down(&self, up: &Up) -> Result<Option<Down>> {
        let (model, p) = (self.model, self.p);
        if !model.layout().trains_body() {
            return Ok(None);
        }
        let gy_f = ends::back((model, self.attention.precision), p, &up.top)?;
        let mut gx = norm::back(&model.layout().ln_f, p, &up.top.ln_f, &gy_f)?;
        let mut blocks = Vec::new();
        for (l, k) in model.layout().blocks.iter().zip(&up.blocks).rev() {
            let (gin, block) = block::back(l, p, (k, self.attention), gx)?;
            (gx, _) = (gin, blocks.push(block));
        }
        blocks.reverse();
        Ok(Some(Down { gy_f, blocks, gx }))
    }

    /// The squared norm of every row's gradient, `b`.
    fn squared_norms(&self, up: &Up, down: Option<&Down>) -> Result<Vec<f64>> {
        let layout = self.model.layout();
        let mut norms = Norms::new(self.loaded.b, up.top.loss.device())?;
        if let Some(down) = down {
            norm::add_norms(&layout.ln_f, &up.top.ln_f, &down.gy_f, &mut norms)?;
            for (l, (k, g)) in layout.blocks.iter().zip(up.blocks.iter().zip(&down.blocks)) {
                block::add_norms(l, k, g, &mut norms)?;
            }
        }
        ends::add_norms(self.model, &self.loaded, (&up.top, down.map(|down| &down.gx)), &mut norms)?;
        norms.read()
    }

    /// Adds the gradients of a chunk to the sums, clipped or as they are.
    fn add(&self, up: &Up, (chunk, clipping): (&Chunk, Clipping), sums: &mut Sums) -> Result<()> {
        let down = self.down(up)?;
        let mut factors: Vec<f64> = match clipping {
            Clipping::None => up.top.loss.to_vec1::<f32>()?.into_iter().map(f64::from).collect(),
            Clipping::Norm(_) => self.squared_norms(up, down.as_ref())?,
        };
        let finite = factors.iter().all(|x| x.is_finite());
        match clipping {
            Clipping::None => factors.iter_mut().for_each(|x| *x = f64::from(u8::from(x.is_finite()))),
            Clipping::Norm(_) => {
                chunk.units.iter().for_each(|unit| unit_factors(&mut factors, unit.clone(), clipping));
            }
        }
        factors[chunk.rows.len()..].fill(0.0);
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        let factors = Factors::new(&factors, finite, up.top.loss.device())?;
        let layout = self.model.layout();
        if let Some(down) = &down {
            norm::add_gradient(&layout.ln_f, &up.top.ln_f, &down.gy_f, &factors, sums)?;
            for (l, (k, g)) in layout.blocks.iter().zip(up.blocks.iter().zip(&down.blocks)) {
                block::add_gradient(l, k, g, &factors, sums)?;
            }
        }
        ends::add_gradient(self.model, &self.loaded, (&up.top, down.as_ref().map(|down| &down.gx)), &factors, sums)
    }
}
