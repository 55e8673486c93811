//! A file outside of the service in which a test finds every release about private rows.
//!
//! One line of JSON each, written before the noise meets the sum, in one call, so that processes which are killed share
//! the file. A line names its noise by a digest: releases that are one and the same, to the last bit, have one name.
//! Digests are over bytes of a stream that nobody knows, so they tell nothing about rows.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use rand::RngCore;
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::{Halt, Witness};
use crate::marginals::Refused;
use crate::store::Lease;

/// What names the file. Without it nothing is written or computed.
const VARIABLE: &str = "DP2STAGE_WITNESS";

/// The file, for the releases of one attempt.
pub(super) struct WitnessFile {
    file: File,
    lease: Lease,
}

impl WitnessFile {
    /// The file that the environment names, if it names one.
    ///
    /// # Errors
    /// I/O faults.
    pub fn of_environment(lease: Lease) -> io::Result<Option<Self>> {
        let Some(path) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Some(Self { file, lease }))
    }

    fn write(&self, mut line: Value, noise: &[u8]) -> io::Result<()> {
        line["job"] = json!(self.lease.job_id);
        line["epoch"] = json!(self.lease.epoch);
        line["noise"] = json!(hex::encode(&Sha256::digest(noise)[..12]));
        (&self.file).write_all(format!("{line}\n").as_bytes())
    }
}

/// The next bytes of a stream, which is not the one that noise will be drawn from but its double.
fn beginning(mut noise: ChaCha20Rng) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    noise.fill_bytes(&mut bytes);
    bytes
}

impl Witness for WitnessFile {
    fn step(&self, block: u32, step: u32, noise: ChaCha20Rng) -> Result<(), Halt> {
        let line = json!({"block": block, "step": step});
        self.write(line, &beginning(noise)).map_err(|error| Halt::Host(error.to_string()))
    }

    fn counts(&self, part: &str, counts: &[i64], mu2: f64, noise: ChaCha20Rng) -> Result<(), Refused> {
        let mut named = beginning(noise);
        named.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
        self.write(json!({"phase": part, "mu2": mu2}), &named).map_err(|_| Refused)
    }
}
