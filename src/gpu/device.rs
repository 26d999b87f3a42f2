//! Opening a device.

use std::cell::{Cell, RefCell};

use super::GpuEngine;
use super::faults::Lost;
use super::memory::Memory;
use super::pipelines::Pipelines;
use crate::engine::Counters;
use crate::error::Error;
use crate::shader::Tiling;

/// What is known of an adapter.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// In words.
    pub description: String,
    /// Whether it is software: slower than the CPU engine.
    pub software: bool,
}

/// How a device is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// The device belongs to the caller and is not destroyed with the engine.
    pub borrowed: bool,
}

impl GpuEngine {
    /// Opens the adapter that the platform prefers.
    ///
    /// # Errors
    /// [`Error::WebGpuUnavailable`] if there is none, or if it gives no device.
    pub async fn open(open: Open) -> Result<Self, Error> {
        let unavailable = |reason: String| Error::WebGpuUnavailable { reason };
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter =
            instance.request_adapter(&options).await.map_err(|e| unavailable(format!("no adapter was found ({e})")))?;
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("webmoe"),
                required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
                required_limits: adapter.limits(),
                experimental_features: wgpu::ExperimentalFeatures::disabled(),
                memory_hints: wgpu::MemoryHints::Performance,
                trace: wgpu::Trace::Off,
            })
            .await
            .map_err(|e| unavailable(format!("the adapter gave no device ({e})")))?;
        let info = adapter.get_info();
        let software = info.device_type == wgpu::DeviceType::Cpu;
        let adapter = Adapter { description: describe(&info, software), software };
        let tiling = if software { Tiling::Direct } else { Tiling::Workgroup };
        Ok(GpuEngine {
            lost: Lost::watch(&device),
            memory: RefCell::new(Memory::default()),
            pipelines: RefCell::new(Pipelines::default()),
            counters: Cell::new(Counters::default()),
            tiling: Cell::new(tiling),
            owned: !open.borrowed,
            device,
            queue,
            adapter,
        })
    }
}

/// An adapter's name; browsers often give only vendor and architecture, or nothing.
fn describe(info: &wgpu::AdapterInfo, software: bool) -> String {
    let words = [info.name.trim(), info.driver.trim(), info.driver_info.trim()];
    let known: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
    match (known.is_empty(), software) {
        (false, _) => known.join(", "),
        (true, true) => "a software adapter without a name".into(),
        (true, false) => "a GPU without a name".into(),
    }
}
