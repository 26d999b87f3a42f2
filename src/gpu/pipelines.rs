//! Pipelines, keyed by kernel, overrides and tile; bind groups, keyed by pipeline and buffers.

use std::collections::HashMap;
use std::rc::Rc;

use super::GpuEngine;
use super::faults::Scopes;
use super::memory::Memory;
use crate::error::Error;
use crate::kernels::{Access, Constants, Dims, Kernel};
use crate::recording::{BufferId, Dispatch, Recording};
use crate::shader::{Part, Tile, compose};

type Key = (&'static str, Constants, Option<Part>);

/// A compiled kernel.
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    key: Key,
}

/// Everything compiled and bound so far.
#[derive(Default)]
pub(super) struct Pipelines {
    compiled: HashMap<Key, Rc<Pipeline>>,
    bound: HashMap<(Key, Vec<BufferId>), wgpu::BindGroup>,
    /// The uniform buffer that `bound` was made with, by size: a larger one replaces it.
    uniforms: u64,
}

/// The tile a dispatch is compiled with.
fn tile(dispatch: &Dispatch) -> Option<&'static Tile> {
    dispatch.kernel.product.map(|product| dispatch.tiling.tile(product))
}

fn key(dispatch: &Dispatch) -> Key {
    (dispatch.kernel.name, dispatch.constants.clone(), tile(dispatch).map(|t| t.part))
}

impl Pipelines {
    /// The pipeline of a dispatch; [`GpuEngine::compile`] made it.
    pub(super) fn get(&self, dispatch: &Dispatch) -> Rc<Pipeline> {
        self.compiled[&key(dispatch)].clone()
    }

    /// The bind group of a dispatch.
    pub(super) fn bind(
        &mut self,
        device: &wgpu::Device,
        memory: &Memory,
        uniforms: &wgpu::Buffer,
        dispatch: &Dispatch,
    ) -> (Rc<Pipeline>, wgpu::BindGroup) {
        if self.uniforms != uniforms.size() {
            self.bound.clear();
            self.uniforms = uniforms.size();
        }
        let pipeline = self.get(dispatch);
        let make = || {
            let uniform = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: uniforms,
                offset: 0,
                size: wgpu::BufferSize::new(size_of::<Dims>() as u64),
            });
            let storage = dispatch.buffers.iter().map(|id| memory.get(*id).as_entire_binding());
            let entries: Vec<_> = std::iter::once(uniform)
                .chain(storage)
                .zip(0..)
                .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(dispatch.kernel.name),
                layout: &pipeline.layout,
                entries: &entries,
            })
        };
        let group = self.bound.entry((pipeline.key.clone(), dispatch.buffers.clone())).or_insert_with(make).clone();
        (pipeline, group)
    }

    /// Drops bind groups that name a buffer.
    pub(super) fn forget(&mut self, id: BufferId) {
        self.bound.retain(|(_, buffers), _| !buffers.contains(&id));
    }

    /// Drops all bind groups.
    pub(super) fn forget_uniforms(&mut self) {
        self.bound.clear();
        self.uniforms = 0;
    }
}

impl GpuEngine {
    /// Compiles what a recording needs and is not compiled yet.
    ///
    /// # Errors
    /// [`Error::Engine`] if the platform refuses a shader.
    pub(super) async fn compile(&self, recording: &Recording) -> Result<(), Error> {
        for dispatch in recording.dispatches() {
            let key = key(dispatch);
            if self.pipelines.borrow().compiled.contains_key(&key) {
                continue;
            }
            let scopes = Scopes::open(&self.device, dispatch.kernel.name);
            let pipeline = self.build(dispatch.kernel, key.clone(), tile(dispatch));
            scopes.close().await?;
            self.pipelines.borrow_mut().compiled.insert(key, Rc::new(pipeline));
        }
        Ok(())
    }

    fn build(&self, kernel: &'static Kernel, key: Key, tile: Option<&Tile>) -> Pipeline {
        let source = compose(kernel.parts, tile, kernel.source);
        let label = Some(kernel.name);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let storage = kernel.bindings.iter().zip(1..).map(|(access, binding)| {
            let read_only = *access == Access::Read;
            entry(binding, wgpu::BufferBindingType::Storage { read_only }, false)
        });
        let uniform = entry(0, wgpu::BufferBindingType::Uniform, true);
        let entries: Vec<_> = std::iter::once(uniform).chain(storage).collect();
        let layout =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> = key.1.0.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { pipeline, layout, key }
    }
}
