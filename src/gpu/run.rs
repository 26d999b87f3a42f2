//! Running a recording: one submit, at most one readback.

use futures_channel::oneshot;

use super::GpuEngine;
use super::faults::Scopes;
use crate::engine::Downloads;
use crate::error::Error;
use crate::kernels::Dims;
use crate::recording::{Command, Grid, Recording};

/// Distance of two dispatches' uniforms: the base limit of `min_uniform_buffer_offset_alignment`.
const UNIFORM_STRIDE: usize = 256;

impl GpuEngine {
    /// Runs a recording and returns its downloads once the GPU is done.
    pub(crate) async fn run(&self, recording: &Recording) -> Result<Downloads, Error> {
        self.check_lost()?;
        self.compile(recording).await?;
        let scopes = Scopes::open(&self.device, "running a recording");
        let staging = self.submit(recording, None);
        let faults = scopes.close();
        let downloads = match staging {
            Some((staging, sizes)) => self.read_back(staging, &sizes).await,
            None => self.idle().await.map(|()| Downloads::default()),
        };
        self.check_lost()?;
        faults.await?;
        downloads
    }

    /// Encodes and submits; returns the buffer that receives the downloads, and their sizes in bytes. With `clock` every
    /// dispatch is a pass of its own and writes its beginning and end there.
    pub(super) fn submit(
        &self,
        recording: &Recording,
        clock: Option<&wgpu::QuerySet>,
    ) -> Option<(wgpu::Buffer, Vec<u64>)> {
        let mut memory = self.memory.borrow_mut();
        let mut pipelines = self.pipelines.borrow_mut();
        let uniforms = self.write_uniforms(recording, &mut memory);
        let sizes: Vec<u64> = recording
            .commands
            .iter()
            .filter_map(|c| if let Command::Download { words, .. } = c { Some(4 * *words as u64) } else { None })
            .collect();
        let bytes: u64 = sizes.iter().sum();
        let staging = (bytes > 0).then(|| memory.take_staging(&self.device, bytes));

        let new_encoder =
            || self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("webmoe") });
        let mut encoder = new_encoder();
        let mut pass: Option<wgpu::ComputePass<'static>> = None;
        let mut encoded = false;
        let (mut index, mut offset, mut submits) = (0, 0, 1);
        for command in &recording.commands {
            if !matches!(command, Command::Dispatch(_)) {
                pass = None;
            }
            match command {
                Command::Upload { buffer, words } => {
                    // writes of the queue come before the whole submit that follows them
                    if std::mem::take(&mut encoded) {
                        self.queue.submit([std::mem::replace(&mut encoder, new_encoder()).finish()]);
                        submits += 1;
                    }
                    self.queue.write_buffer(memory.get(*buffer), 0, bytemuck::cast_slice(words));
                }
                Command::Clear(buffer) => {
                    encoder.clear_buffer(memory.get(*buffer), 0, None);
                    encoded = true;
                }
                Command::Dispatch(dispatch) => {
                    let uniforms = uniforms.as_ref().expect("a recording with a dispatch has uniforms");
                    let (pipeline, group) = pipelines.bind(&self.device, &memory, uniforms, dispatch);
                    if clock.is_some() {
                        pass = None;
                    }
                    let pass = pass.get_or_insert_with(|| {
                        let timestamp_writes = clock.map(|query_set| wgpu::ComputePassTimestampWrites {
                            query_set,
                            beginning_of_pass_write_index: Some(2 * index as u32),
                            end_of_pass_write_index: Some(2 * index as u32 + 1),
                        });
                        let descriptor =
                            wgpu::ComputePassDescriptor { label: Some(dispatch.kernel.name), timestamp_writes };
                        encoder.begin_compute_pass(&descriptor).forget_lifetime()
                    });
                    pass.set_pipeline(&pipeline.pipeline);
                    pass.set_bind_group(0, &group, &[(index * UNIFORM_STRIDE) as u32]);
                    match dispatch.grid {
                        Grid::Direct([x, y, z]) => pass.dispatch_workgroups(x, y, z),
                        Grid::Indirect { buffer, word } => {
                            pass.dispatch_workgroups_indirect(memory.get(buffer), 4 * u64::from(word));
                        }
                    }
                    index += 1;
                    encoded = true;
                }
                Command::Download { buffer, first, words } => {
                    let staging = staging.as_ref().expect("a recording with a download has a readback buffer");
                    let size = 4 * *words as u64;
                    encoder.copy_buffer_to_buffer(memory.get(*buffer), 4 * *first as u64, staging, offset, size);
                    offset += size;
                    encoded = true;
                }
            }
        }
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.count(|c| {
            c.dispatches += index as u64;
            c.submits += submits;
            c.readbacks += u64::from(staging.is_some());
        });
        staging.map(|staging| (staging, sizes))
    }

    /// Writes every dispatch's uniforms, [`UNIFORM_STRIDE`] apart.
    fn write_uniforms(&self, recording: &Recording, memory: &mut super::memory::Memory) -> Option<wgpu::Buffer> {
        let mut bytes = Vec::new();
        for dispatch in recording.dispatches() {
            bytes.extend_from_slice(bytemuck::bytes_of(&dispatch.dims));
            bytes.resize(bytes.len().next_multiple_of(UNIFORM_STRIDE), 0);
        }
        if bytes.is_empty() {
            return None;
        }
        let size = (bytes.len() + size_of::<Dims>()).max(16 * UNIFORM_STRIDE) as u64;
        let uniforms = memory.uniforms(&self.device, size).clone();
        self.queue.write_buffer(&uniforms, 0, &bytes);
        Some(uniforms)
    }

    /// Waits until everything submitted is done.
    async fn idle(&self) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            let _ = tell.send(());
        });
        self.poll();
        told.await.map_err(|_| gone("the queue stopped answering"))
    }

    /// Maps the readback buffer and takes the downloads out of it.
    pub(super) async fn read_back(&self, staging: wgpu::Buffer, sizes: &[u64]) -> Result<Downloads, Error> {
        let (tell, told) = oneshot::channel();
        let total: u64 = sizes.iter().sum();
        staging.slice(..total).map_async(wgpu::MapMode::Read, move |result| {
            let _ = tell.send(result);
        });
        self.poll();
        let mapped = told.await.map_err(|_| gone("a readback was dropped"))?;
        if let Err(error) = mapped {
            staging.destroy();
            self.check_lost()?;
            return Err(Error::Engine { what: "readback".into(), message: error.to_string() });
        }
        let downloads = {
            let view = staging.slice(..total).get_mapped_range().map_err(|e| gone(&format!("{e:?}")))?;
            let mut rest = &view[..];
            Downloads::new(sizes.iter().map(|size| {
                let (words, after) = rest.split_at(*size as usize);
                rest = after;
                bytemuck::pod_collect_to_vec(words)
            }))
        };
        staging.unmap();
        self.memory.borrow_mut().return_staging(staging);
        Ok(downloads)
    }

    /// Natively callbacks run in here; in the browser the event loop runs them.
    pub(super) fn poll(&self) {
        #[cfg(not(target_arch = "wasm32"))]
        // a lost device shows in the callbacks
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }
}

fn gone(message: &str) -> Error {
    Error::DeviceLost { reason: "unknown".into(), message: message.into() }
}
