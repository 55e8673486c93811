//! Matrix products on slices: the one place that calls the `gemm` crate, which is unsafe because it
//! takes pointers and strides. Bounds are asserted before every call.
#![allow(unsafe_code)]

use gemm::Parallelism;

/// Multiplications of a product that several threads share.
const SHARED: usize = 1 << 27;

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    shape: Shape,
}

/// A matrix inside a slice that a product is written to.
pub struct ViewMut<'a> {
    data: &'a mut [f32],
    shape: Shape,
}

/// Rows, columns, and the distance in the slice from one row or column to the next.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl Shape {
    /// Whether every element lies inside a slice of `len`.
    fn fits(&self, len: usize) -> bool {
        self.rows == 0
            || self.columns == 0
            || (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step < len
    }
}

impl<'a> View<'a> {
    /// `rows x columns`, row-major, consecutive rows `row_step` apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        Self { data, shape: Shape { rows, columns, row_step, column_step: 1 } }
    }

    /// `rows x columns`, row-major and dense.
    pub fn dense(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Its columns.
    pub fn columns(&self) -> usize {
        self.shape.columns
    }

    /// `count` of its columns, from `first`.
    pub fn columns_from(self, first: usize, count: usize) -> Self {
        let at = (first * self.shape.column_step).min(self.data.len());
        Self { data: &self.data[at..], shape: Shape { columns: count, ..self.shape } }
    }

    /// The same elements, transposed.
    pub fn transposed(self) -> Self {
        let Shape { rows, columns, row_step, column_step } = self.shape;
        Self {
            data: self.data,
            shape: Shape { rows: columns, columns: rows, row_step: column_step, column_step: row_step },
        }
    }
}

impl<'a> ViewMut<'a> {
    /// `rows x columns`, row-major, consecutive rows `row_step >= columns` apart.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        Self { data, shape: Shape { rows, columns, row_step, column_step: 1 } }
    }

    /// `rows x columns`, row-major and dense.
    pub fn dense(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }
}

/// `out = a b`.
pub fn multiply(out: ViewMut<'_>, a: View<'_>, b: View<'_>) {
    product(out, a, b, false);
}

/// `out += a b`.
pub fn multiply_add(out: ViewMut<'_>, a: View<'_>, b: View<'_>) {
    product(out, a, b, true);
}

fn product(out: ViewMut<'_>, a: View<'_>, b: View<'_>, add: bool) {
    let (o, l, r) = (out.shape, a.shape, b.shape);
    assert!(l.rows == o.rows && r.columns == o.columns && l.columns == r.rows, "shapes of a product");
    assert!(o.fits(out.data.len()) && l.fits(a.data.len()) && r.fits(b.data.len()), "bounds of a product");
    assert!(o.columns <= o.row_step || o.rows <= 1, "rows of a result must not overlap");
    // Small products are shared out above this level, see `lanes`; the number of threads changes no bit.
    let large = o.rows * o.columns * l.columns >= SHARED;
    let parallelism = if large { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: every element that the strides reach lies inside its slice (asserted above), elements
    // of the result are distinct, and `out` is borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            o.rows,
            o.columns,
            l.columns,
            out.data.as_mut_ptr(),
            o.column_step as isize,
            o.row_step as isize,
            add,
            a.data.as_ptr(),
            l.column_step as isize,
            l.row_step as isize,
            b.data.as_ptr(),
            r.column_step as isize,
            r.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
