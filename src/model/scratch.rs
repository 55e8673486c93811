//! Memory for what is needed for a moment, one piece a thread, kept from one use to the next: fresh memory
//! comes from the kernel page by page, and that costs more than many a product.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static SPARE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// A buffer of no particular contents, given back when it is dropped. A second one on the same thread
/// is a new one.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// The thread's buffer.
    pub fn new() -> Self {
        Self(SPARE.take())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SPARE.set(std::mem::take(&mut self.0));
    }
}

impl Deref for Scratch {
    type Target = Vec<f32>;

    fn deref(&self) -> &Vec<f32> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<f32> {
        &mut self.0
    }
}
