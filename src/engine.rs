//! The engine that runs recordings: the GPU through WebGPU, or the CPU through the kernels' twins.

use crate::cpu::CpuEngine;
use crate::error::Error;
use crate::gpu::GpuEngine;
use crate::recording::{Buffer, BufferId, Recording};
use crate::shader::Tiling;

/// What an engine has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Buffers that exist.
    pub buffers: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Kernels run so far.
    pub dispatches: u64,
    /// Command buffers submitted so far; on the CPU, recordings run.
    pub submits: u64,
    /// Times that data was brought back so far.
    pub readbacks: u64,
}

/// One of the two engines.
pub enum Engine {
    /// WGSL on a GPU.
    Gpu(Box<GpuEngine>),
    /// The twins.
    Cpu(CpuEngine),
}

impl Engine {
    /// Creates buffers of these lengths (in elements of 4 bytes), zeroed.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is created, [`Error::OutOfMemory`] if an allocation fails; none is left behind.
    pub async fn create(&self, wanted: &[(&'static str, usize)]) -> Result<Vec<BufferId>, Error> {
        match self {
            Engine::Gpu(gpu) => gpu.create(wanted).await,
            Engine::Cpu(cpu) => cpu.create(wanted),
        }
    }

    /// Gives a buffer back; using it afterwards is a fault of ours.
    pub fn destroy(&self, buffer: BufferId) {
        match self {
            Engine::Gpu(gpu) => gpu.destroy(buffer),
            Engine::Cpu(cpu) => cpu.destroy(buffer),
        }
    }

    /// Runs a recording and returns its downloads in order, once everything is done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`] or [`Error::Engine`].
    pub async fn run(&self, recording: &Recording) -> Result<Downloads, Error> {
        match self {
            Engine::Gpu(gpu) => gpu.run(recording).await,
            Engine::Cpu(cpu) => cpu.run(recording),
        }
    }

    /// What the engine has done and holds.
    pub fn counters(&self) -> Counters {
        match self {
            Engine::Gpu(gpu) => gpu.counters(),
            Engine::Cpu(cpu) => cpu.counters(),
        }
    }

    /// The tiling that suits the experts' products of `rows` rows.
    pub fn tiling(&self, rows: usize) -> Tiling {
        match self {
            Engine::Gpu(gpu) => gpu.tiling(rows),
            Engine::Cpu(_) => Tiling::Direct,
        }
    }
}

/// What a recording brought back, in order.
#[derive(Debug, Default)]
pub struct Downloads {
    words: std::collections::VecDeque<Vec<u32>>,
}

impl Downloads {
    /// Downloads in the order they were recorded.
    pub fn new(words: impl IntoIterator<Item = Vec<u32>>) -> Self {
        Downloads { words: words.into_iter().collect() }
    }

    /// The next one, as words.
    ///
    /// # Panics
    /// If more is taken than was recorded.
    pub fn take_words(&mut self) -> Vec<u32> {
        self.words.pop_front().expect("a download was recorded for each that is taken")
    }

    /// The next one, as the type of its buffer; panics as [`Downloads::take_words`].
    pub fn take<T: bytemuck::Pod>(&mut self, _of: Buffer<T>) -> Vec<T> {
        let words = self.take_words();
        bytemuck::allocation::try_cast_vec(words).unwrap_or_else(|(_, words)| bytemuck::cast_slice(&words).to_vec())
    }
}
