//! The training step on a device of candle's: its processor for tests, an NVIDIA card with the cargo
//! feature `cuda`. The same forward, backward, Book-Keeping norms and clipped sums as on slices, composed
//! of tensor operations and scheduled by hand (candle's autograd is not used: several of its operations
//! have no backward and say nothing). Noise is not drawn here: sums go back to the host and get it there.
//!
//! Letters in comments: `b` rows of the chunk, `t` places, `n = b t`, `d` width, `h` heads, `e = d / h`,
//! `v` vocabulary, `r` rank of low-rank updates.

mod arithmetic;
mod attention;
mod block;
mod chunk;
mod ends;
mod linear;
mod norm;
mod on_device;
mod parameters;
mod place;
mod sums;

pub use arithmetic::Precision;
pub use on_device::OnDevice;
pub use place::{DeviceError, Place};
