//! Time of every kernel, from the GPU's own clock.

use super::GpuEngine;
use super::faults::Scopes;
use crate::error::Error;
use crate::recording::Recording;

/// How long a dispatch took.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// The kernel.
    pub kernel: &'static str,
    /// Nanoseconds on the GPU's clock, pass overhead included.
    pub ns: f64,
}

impl GpuEngine {
    /// Runs a recording with every dispatch in a pass of its own, and times each. Downloads are dropped.
    /// `None` where the adapter has no timestamps.
    ///
    /// # Errors
    /// As running it.
    pub async fn profile(&self, recording: &Recording) -> Result<Option<Vec<KernelTime>>, Error> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        self.compile(recording).await?;
        let kernels: Vec<_> = recording.dispatches().map(|d| d.kernel.name).collect();
        let count = 2 * kernels.len() as u32;
        let bytes = 8 * u64::from(count);
        let scopes = Scopes::open(&self.device, "profiling a recording");
        let clock = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("clock"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        if let Some((staging, sizes)) = self.submit(recording, Some(&clock)) {
            self.read_back(staging, &sizes).await?;
        }
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: bytes,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let staging = self.memory.borrow_mut().take_staging(&self.device, bytes);
        let mut encoder =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("timestamps") });
        encoder.resolve_query_set(&clock, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let faults = scopes.close();
        let mut downloads = self.read_back(staging, &[bytes]).await?;
        resolved.destroy();
        faults.await?;
        let ticks: Vec<u64> =
            downloads.take_words().chunks_exact(2).map(|w| u64::from(w[1]) << 32 | u64::from(w[0])).collect();
        let period = f64::from(self.queue.get_timestamp_period());
        let times = kernels.into_iter().zip(ticks.chunks_exact(2));
        Ok(Some(times.map(|(kernel, t)| KernelTime { kernel, ns: t[1].wrapping_sub(t[0]) as f64 * period }).collect()))
    }
}
