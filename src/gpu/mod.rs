//! The engine on the GPU: WebGPU in the browser, Vulkan natively, from the same code.

mod device;
mod faults;
mod memory;
mod pipelines;
mod profiler;
mod run;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use device::{Adapter, Open};
pub use profiler::KernelTime;

use crate::engine::Counters;
use crate::error::Error;
use crate::shader::Tiling;
use faults::Lost;
use memory::Memory;
use pipelines::Pipelines;

/// A device, its buffers and its pipelines.
pub struct GpuEngine {
    device: wgpu::Device,
    queue: wgpu::Queue,
    adapter: Adapter,
    /// Whether the device is ours to destroy.
    owned: bool,
    lost: Rc<Lost>,
    memory: RefCell<Memory>,
    pipelines: RefCell<Pipelines>,
    counters: Cell<Counters>,
    tiling: Cell<Tiling>,
}

impl GpuEngine {
    /// The adapter behind the device.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// What was done and what exists: the buffers handed out and the engine's own.
    pub(crate) fn counters(&self) -> Counters {
        let (buffers, bytes) = self.memory.borrow().usage();
        Counters { buffers, bytes, ..self.counters.get() }
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// The tiling for products of `rows` rows: one row at a time where a tile would be mostly empty.
    pub(crate) fn tiling(&self, rows: usize) -> Tiling {
        if rows <= 8 { Tiling::Row } else { self.tiling.get() }
    }

    /// Uses `tiling` for large products from now on; returns the one before.
    pub fn set_tiling(&self, tiling: Tiling) -> Tiling {
        self.tiling.replace(tiling)
    }

    /// Resolves when the device is gone, with the platform's reason and message; never if it lives as long as the page.
    pub fn when_lost(&self) -> impl Future<Output = (String, String)> + use<> {
        self.lost.wait()
    }

    /// Loses the device, as a browser takes it away: every later call is [`Error::DeviceLost`].
    pub fn lose(&self) {
        self.device.destroy();
        self.poll();
    }

    /// The loss of the device as an error, if it happened.
    fn check_lost(&self) -> Result<(), Error> {
        self.lost.check()
    }
}

impl Drop for GpuEngine {
    fn drop(&mut self) {
        self.memory.get_mut().clear();
        if self.owned {
            self.device.destroy();
        }
    }
}
