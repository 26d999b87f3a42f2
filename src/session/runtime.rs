//! A runtime: one engine.

use std::rc::Rc;

use super::MoeLayer;
use crate::config::LayerConfig;
use crate::cpu::CpuEngine;
use crate::engine::{Counters, Engine};
use crate::error::Error;
use crate::gpu::{GpuEngine, Open};

/// Which engine to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The faster one: the GPU, unless there is none or it is software, which the CPU engine outruns about sixfold.
    Auto,
    /// The GPU, whatever it is.
    WebGpu,
    /// The CPU.
    Cpu,
}

/// An engine, shared by its layers.
pub struct Runtime {
    engine: Rc<Engine>,
}

impl Runtime {
    /// Opens an engine. `borrowed`: the GPU device that the platform gives is the caller's, and outlives the runtime.
    ///
    /// # Errors
    /// [`Error::WebGpuUnavailable`] for [`Device::WebGpu`] without an adapter.
    pub async fn create(device: Device, borrowed: bool) -> Result<Self, Error> {
        let cpu = || Engine::Cpu(CpuEngine::new());
        let engine = match device {
            Device::Cpu => cpu(),
            Device::WebGpu => Engine::Gpu(Box::new(GpuEngine::open(Open { borrowed }).await?)),
            Device::Auto => match GpuEngine::open(Open { borrowed }).await {
                Ok(gpu) if borrowed || !gpu.adapter().software => Engine::Gpu(Box::new(gpu)),
                _ => cpu(),
            },
        };
        Ok(Runtime { engine: Rc::new(engine) })
    }

    /// A runtime on an engine that others may use as well.
    pub fn sharing(engine: Rc<Engine>) -> Self {
        Runtime { engine }
    }

    /// The engine.
    pub fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }

    /// `"webgpu"` or `"cpu"`.
    pub fn device(&self) -> &'static str {
        match &*self.engine {
            Engine::Gpu(_) => "webgpu",
            Engine::Cpu(_) => "cpu",
        }
    }

    /// The adapter in words.
    pub fn adapter(&self) -> String {
        match &*self.engine {
            Engine::Gpu(gpu) => gpu.adapter().description.clone(),
            Engine::Cpu(_) => "the CPU engine, on one thread".into(),
        }
    }

    /// Creates a layer with weights from its seed.
    ///
    /// # Errors
    /// What is wrong with the description, [`Error::TooLarge`] or [`Error::OutOfMemory`].
    pub async fn create_layer(&self, config: LayerConfig) -> Result<MoeLayer, Error> {
        MoeLayer::create(self.engine.clone(), config).await
    }

    /// What the engine has done and holds.
    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }
}
