//! A step as data: what to upload, dispatch, clear and download, over buffers that an engine owns. Deciding what to do never
//! touches a GPU; both engines run the same recording.

use std::fmt;
use std::marker::PhantomData;

use crate::kernels::{Constants, Dims, Kernel};
use crate::shader::Tiling;

/// A buffer of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u32);

/// A buffer with the type of its elements, 4 bytes each.
#[derive(Debug)]
pub struct Buffer<T> {
    /// Which one.
    pub id: BufferId,
    /// Elements.
    pub len: usize,
    kind: PhantomData<T>,
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Buffer<T> {}

impl<T> Buffer<T> {
    /// A handle for `len` elements in the buffer `id`.
    pub fn new(id: BufferId, len: usize) -> Self {
        Buffer { id, len, kind: PhantomData }
    }
}

/// How many workgroups a dispatch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// Known now.
    Direct([u32; 3]),
    /// Read on the device from three words at `word` of `buffer`.
    Indirect {
        /// The buffer.
        buffer: BufferId,
        /// Its first word.
        word: u32,
    },
}

impl Grid {
    /// One invocation for each of `n`, in workgroups of 64.
    pub fn over(n: usize) -> Self {
        Grid::Direct([n.div_ceil(64) as u32, 1, 1])
    }

    /// The n-th of the grids in a buffer, four words each.
    pub fn written(buffer: Buffer<u32>, n: u32) -> Self {
        Grid::Indirect { buffer: buffer.id, word: 4 * n }
    }

    /// As [`Grid::over`], folded into two dimensions as `shaders/shared/linear.wgsl` unfolds it.
    pub fn linear(n: usize) -> Self {
        let groups = n.div_ceil(64);
        Grid::Direct([groups.min(65_535) as u32, groups.div_ceil(65_535) as u32, 1])
    }
}

/// One kernel, with everything it needs.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its overrides.
    pub constants: Constants,
    /// The tiling of its product; without meaning for other kernels.
    pub tiling: Tiling,
    /// Binding 0.
    pub dims: Dims,
    /// Bindings 1, 2, …
    pub buffers: Vec<BufferId>,
    /// Workgroups.
    pub grid: Grid,
}

impl Dispatch {
    /// Of a kernel whose tiling does not matter.
    pub fn plain(
        kernel: &'static Kernel,
        constants: Constants,
        dims: Dims,
        buffers: Vec<BufferId>,
        grid: Grid,
    ) -> Self {
        Dispatch { kernel, constants, tiling: Tiling::Direct, dims, buffers, grid }
    }
}

/// One command.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write `words` to the start of a buffer.
    Upload {
        /// The buffer.
        buffer: BufferId,
        /// What to write.
        words: Vec<u32>,
    },
    /// Fill a buffer with 0.
    Clear(BufferId),
    /// Run a kernel.
    Dispatch(Box<Dispatch>),
    /// Bring back `words` words of a buffer, at least one, from word `first` on.
    Download {
        /// The buffer.
        buffer: BufferId,
        /// The first word.
        first: usize,
        /// How many.
        words: usize,
    },
}

/// Commands in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The commands.
    pub commands: Vec<Command>,
}

impl Recording {
    /// Records an upload.
    pub fn upload<T: bytemuck::Pod>(&mut self, buffer: Buffer<T>, data: Vec<T>) {
        assert!(data.len() <= buffer.len, "an upload is longer than its buffer");
        if !data.is_empty() {
            let words = bytemuck::allocation::try_cast_vec(data)
                .unwrap_or_else(|(_, data)| bytemuck::cast_slice(&data).to_vec());
            self.commands.push(Command::Upload { buffer: buffer.id, words });
        }
    }

    /// Records a clear.
    pub fn clear<T>(&mut self, buffer: Buffer<T>) {
        self.commands.push(Command::Clear(buffer.id));
    }

    /// Records a dispatch.
    pub fn dispatch(&mut self, dispatch: Dispatch) {
        self.commands.push(Command::Dispatch(Box::new(dispatch)));
    }

    /// Records a download of a whole buffer.
    pub fn download<T>(&mut self, buffer: Buffer<T>) {
        self.download_range(buffer, 0..buffer.len);
    }

    /// Records a download of some elements, at least one.
    pub fn download_range<T>(&mut self, buffer: Buffer<T>, range: std::ops::Range<usize>) {
        assert!(!range.is_empty() && range.end <= buffer.len, "a download is empty or reaches past its buffer");
        self.commands.push(Command::Download { buffer: buffer.id, first: range.start, words: range.len() });
    }

    /// The dispatches, in order.
    pub fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.commands.iter().filter_map(|c| match c {
            Command::Dispatch(d) => Some(&**d),
            _ => None,
        })
    }

    /// How many readbacks the recording needs: all its downloads come back in one.
    pub fn readbacks(&self) -> usize {
        usize::from(self.commands.iter().any(|c| matches!(c, Command::Download { .. })))
    }
}

impl fmt::Display for Recording {
    /// The schedule, a command a line.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for command in &self.commands {
            match command {
                Command::Upload { buffer, words } => {
                    writeln!(f, "upload    {} bytes to b{}", 4 * words.len(), buffer.0)?
                }
                Command::Clear(buffer) => writeln!(f, "clear     b{}", buffer.0)?,
                Command::Download { buffer, words, .. } => {
                    writeln!(f, "download  {} bytes from b{}", 4 * words, buffer.0)?
                }
                Command::Dispatch(d) => {
                    write!(f, "dispatch  {}", d.kernel.name)?;
                    for (name, value) in &d.constants.0 {
                        write!(f, " {name}={value}")?;
                    }
                    let buffers: Vec<_> = d.buffers.iter().map(|b| format!("b{}", b.0)).collect();
                    writeln!(f, " over {} by {:?}", buffers.join(" "), d.grid)?;
                }
            }
        }
        Ok(())
    }
}
