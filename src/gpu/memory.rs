//! Buffers: those handed out, a pool of those given back, and the engine's own for uniforms and readback.

use std::collections::HashMap;

use super::GpuEngine;
use super::faults::Scopes;
use crate::error::Error;
use crate::recording::BufferId;

const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::INDIRECT);

/// All buffers of an engine.
#[derive(Default)]
pub(super) struct Memory {
    handed_out: Vec<Option<wgpu::Buffer>>,
    /// Given back, by size; never more bytes than are handed out.
    pool: HashMap<u64, Vec<wgpu::Buffer>>,
    uniforms: Option<wgpu::Buffer>,
    staging: Vec<wgpu::Buffer>,
}

impl Memory {
    /// Number of buffers that exist, and their bytes.
    pub(super) fn usage(&self) -> (u64, u64) {
        let all = self
            .handed_out
            .iter()
            .flatten()
            .chain(self.pool.values().flatten())
            .chain(&self.uniforms)
            .chain(&self.staging);
        all.fold((0, 0), |(n, bytes), b| (n + 1, bytes + b.size()))
    }

    pub(super) fn get(&self, id: BufferId) -> &wgpu::Buffer {
        self.handed_out[id.0 as usize].as_ref().expect("a recording names only buffers that exist")
    }

    fn insert(&mut self, buffer: wgpu::Buffer) -> BufferId {
        let free = self.handed_out.iter().position(Option::is_none).unwrap_or_else(|| {
            self.handed_out.push(None);
            self.handed_out.len() - 1
        });
        self.handed_out[free] = Some(buffer);
        BufferId(free as u32)
    }

    /// The uniform buffer, of at least `bytes`.
    pub(super) fn uniforms(&mut self, device: &wgpu::Device, bytes: u64) -> &wgpu::Buffer {
        if self.uniforms.as_ref().is_none_or(|b| b.size() < bytes) {
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let new = create(device, "uniforms", bytes.next_power_of_two(), usage);
            if let Some(old) = self.uniforms.replace(new) {
                old.destroy();
            }
        }
        self.uniforms.as_ref().expect("it was created above")
    }

    /// A buffer to read back `bytes` through, not in use by another readback.
    pub(super) fn take_staging(&mut self, device: &wgpu::Device, bytes: u64) -> wgpu::Buffer {
        match self.staging.iter().position(|b| b.size() >= bytes) {
            Some(fits) => self.staging.swap_remove(fits),
            None => {
                // smaller ones would never be taken again by this caller
                self.staging.drain(..).for_each(|b| b.destroy());
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                create(device, "readback", bytes.next_multiple_of(256), usage)
            }
        }
    }

    /// Gives a readback buffer back, unmapped.
    pub(super) fn return_staging(&mut self, buffer: wgpu::Buffer) {
        if self.handed_out.iter().all(Option::is_none) {
            buffer.destroy();
        } else {
            self.staging.push(buffer);
        }
    }

    /// Empties the pool if it has outgrown what is handed out: batches of many lengths would add up in it.
    fn trim(&mut self) {
        let bytes = |buffers: &mut dyn Iterator<Item = &wgpu::Buffer>| buffers.map(wgpu::Buffer::size).sum::<u64>();
        if bytes(&mut self.pool.values().flatten()) > bytes(&mut self.handed_out.iter().flatten()) {
            self.pool.drain().flat_map(|(_, buffers)| buffers).for_each(|b| b.destroy());
        }
    }

    /// Destroys every buffer.
    pub(super) fn clear(&mut self) {
        let all = self.handed_out.drain(..).flatten().chain(self.pool.drain().flat_map(|(_, b)| b));
        all.chain(self.uniforms.take()).chain(self.staging.drain(..)).for_each(|b| b.destroy());
    }
}

/// On the web dropping a buffer frees nothing; whoever drops one calls `destroy` first.
fn create(device: &wgpu::Device, label: &'static str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

impl GpuEngine {
    /// Creates zeroed buffers of these lengths in words.
    pub(crate) async fn create(&self, wanted: &[(&'static str, usize)]) -> Result<Vec<BufferId>, Error> {
        self.check_lost()?;
        let limits = self.device.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        for (what, len) in wanted {
            let bytes = 4 * *len as u64;
            if bytes > limit {
                return Err(Error::TooLarge { what: (*what).into(), bytes, limit });
            }
        }
        let scopes = Scopes::open(&self.device, "creating buffers");
        let mut stale =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("clear reused") });
        let mut reused = false;
        let made: Vec<BufferId> = {
            let mut memory = self.memory.borrow_mut();
            wanted
                .iter()
                .map(|(what, len)| {
                    let size = (4 * *len as u64).max(16).next_multiple_of(16);
                    let buffer = match memory.pool.get_mut(&size).and_then(Vec::pop) {
                        Some(buffer) => {
                            stale.clear_buffer(&buffer, 0, None);
                            reused = true;
                            buffer
                        }
                        None => create(&self.device, what, size, STORAGE),
                    };
                    memory.insert(buffer)
                })
                .collect()
        };
        if reused {
            self.queue.submit([stale.finish()]);
        }
        match scopes.close().await {
            Ok(()) => Ok(made),
            Err(error) => {
                for id in made {
                    self.forget(id);
                }
                Err(error)
            }
        }
    }

    /// Gives a buffer back to the pool; with the last one the pool and the engine's own buffers go as well.
    pub(crate) fn destroy(&self, id: BufferId) {
        self.pipelines.borrow_mut().forget(id);
        let mut memory = self.memory.borrow_mut();
        if let Some(buffer) = memory.handed_out[id.0 as usize].take() {
            memory.pool.entry(buffer.size()).or_default().push(buffer);
            memory.trim();
        }
        if memory.handed_out.iter().all(Option::is_none) {
            self.pipelines.borrow_mut().forget_uniforms();
            memory.clear();
        }
    }

    /// Destroys a buffer that must not be reused.
    fn forget(&self, id: BufferId) {
        if let Some(buffer) = self.memory.borrow_mut().handed_out[id.0 as usize].take() {
            buffer.destroy();
        }
    }
}
