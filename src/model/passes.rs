//! Passes over batches, on slices or on a device: what the engine trains with.

use candle_core::Device;

use super::batch::Batch;
use super::clip::Clipping;
use super::device::{DeviceError, OnDevice, Place, Precision};
use super::gpt2::Gpt2;
use super::lanes::Lanes;
use super::room::Room;

/// Places of a chunk on a device: enough for a card to be busy with one.
const PLACES: usize = 8192;

/// What computes the passes of a worker.
#[derive(Clone, Debug, Default)]
pub enum Compute {
    /// The processor, on slices.
    #[default]
    Slices,
    /// A device of candle's.
    Device(Device, Precision),
}

impl Compute {
    /// Opens what is named.
    ///
    /// # Errors
    /// [`DeviceError::NotBuilt`] and [`DeviceError::Unavailable`].
    pub fn open(place: Place, precision: Precision) -> Result<Self, DeviceError> {
        Ok(place.open()?.map_or(Self::Slices, |device| Self::Device(device, precision)))
    }
}

/// Passes over batches, with their buffers.
pub enum Passes {
    /// On slices.
    Slices(Lanes),
    /// On a device.
    Device(OnDevice),
}

impl Passes {
    /// Passes for a model and for units of at most `longest` rows. The room is that of slices; a device has
    /// one of its own.
    ///
    /// # Errors
    /// [`DeviceError`] when the model does not fit the device.
    pub fn new(model: &Gpt2, longest: usize, room: Room, compute: &Compute) -> Result<Self, DeviceError> {
        Ok(match compute {
            Compute::Slices => Self::Slices(Lanes::with_room(model, longest, room)),
            Compute::Device(device, precision) => {
                Self::Device(OnDevice::new(model, longest, PLACES, (device.clone(), *precision))?)
            }
        })
    }

    /// As [`Lanes::gradient_sum`].
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
    ) -> Result<(), DeviceError> {
        match self {
            Self::Slices(lanes) => lanes.gradient_sum(model, parameters, batch, clipping, out),
            Self::Device(passes) => passes.gradient_sum(model, parameters, batch, clipping, out)?,
        }
        Ok(())
    }
}
