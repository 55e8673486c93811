//! Where training steps run, by name.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;

/// Where training steps run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// On the processor, on slices.
    #[default]
    Cpu,
    /// On the NVIDIA card of this number.
    Cuda(usize),
}

/// Why a step cannot run on a device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such name.
    #[error("a device is \"cpu\" or \"cuda:0\", \"cuda:1\" and so on, not {0:?}")]
    Name(String),
    /// The program was built without support for cards.
    #[error("{0} is not available: this program was built without CUDA (cargo build --release --features cuda)")]
    NotBuilt(Place),
    /// There is no such card, or no driver.
    #[error("{0} is not available: {1}")]
    Unavailable(Place, candle_core::Error),
    /// The grammar's sets would take too much of the card's memory.
    #[error("{sets} sets of a vocabulary of {vocabulary} tokens are too many for a device: use device = \"cpu\"")]
    Sets {
        /// Sets of tokens.
        sets: usize,
        /// Tokens in all.
        vocabulary: usize,
    },
    /// An operation failed, such as for want of the card's memory.
    #[error("the device failed: {0}")]
    Operation(#[from] candle_core::Error),
}

impl Place {
    /// The device of candle's, ready; `None` for slices.
    ///
    /// # Errors
    /// [`DeviceError::NotBuilt`] and [`DeviceError::Unavailable`].
    pub fn open(self) -> Result<Option<Device>, DeviceError> {
        match self {
            Self::Cpu => Ok(None),
            Self::Cuda(_) if !candle_core::utils::cuda_is_available() => Err(DeviceError::NotBuilt(self)),
            Self::Cuda(number) => {
                Device::new_cuda(number).map(Some).map_err(|error| DeviceError::Unavailable(self, error))
            }
        }
    }
}

impl FromStr for Place {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (name, number) {
            ("cpu", _) => Ok(Self::Cpu),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(DeviceError::Name(name.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}
