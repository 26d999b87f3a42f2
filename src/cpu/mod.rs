//! The engine without a GPU: every dispatch calls the kernel's twin on slices.

use std::cell::{Cell, Ref, RefCell, RefMut};

use crate::engine::{Counters, Downloads};
use crate::error::Error;
use crate::kernels::{Access, Call, Slice};
use crate::recording::{BufferId, Command, Dispatch, Grid, Recording};

/// Buffers in memory, kernels as plain Rust.
#[derive(Default)]
pub struct CpuEngine {
    buffers: RefCell<Vec<Option<RefCell<Vec<u32>>>>>,
    counters: Cell<Counters>,
}

/// A borrowed binding, held while a twin runs.
enum Held<'a> {
    Read(Ref<'a, Vec<u32>>),
    Write(RefMut<'a, Vec<u32>>),
}

impl CpuEngine {
    /// An engine with no buffers.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn create(&self, wanted: &[(&'static str, usize)]) -> Result<Vec<BufferId>, Error> {
        // wasm32 addresses 4 GiB at the most, and one allocation is limited to half of that
        let limit = isize::MAX as u64;
        for (what, len) in wanted {
            let bytes = 4 * *len as u64;
            if bytes > limit {
                return Err(Error::TooLarge { what: (*what).into(), bytes, limit });
            }
        }
        // all are reserved before any is touched: what does not fit costs nothing
        let mut reserved = Vec::new();
        for (what, len) in wanted {
            let mut words = Vec::new();
            if words.try_reserve_exact(*len).is_err() {
                return Err(Error::OutOfMemory { message: format!("{what}: {} bytes", 4 * len) });
            }
            reserved.push((words, *len));
        }
        let zeroed = |(mut words, len): (Vec<u32>, usize)| {
            words.resize(len, 0);
            self.insert(words)
        };
        Ok(reserved.into_iter().map(zeroed).collect())
    }

    fn insert(&self, words: Vec<u32>) -> BufferId {
        self.count(|c| {
            c.buffers += 1;
            c.bytes += 4 * words.len() as u64;
        });
        let mut buffers = self.buffers.borrow_mut();
        let free = buffers.iter().position(Option::is_none).unwrap_or_else(|| {
            buffers.push(None);
            buffers.len() - 1
        });
        buffers[free] = Some(RefCell::new(words));
        BufferId(free as u32)
    }

    pub(crate) fn destroy(&self, buffer: BufferId) {
        if let Some(words) = self.buffers.borrow_mut()[buffer.0 as usize].take() {
            self.count(|c| {
                c.buffers -= 1;
                c.bytes -= 4 * words.borrow().len() as u64;
            });
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.get()
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// Runs a recording and returns its downloads.
    pub(crate) fn run(&self, recording: &Recording) -> Result<Downloads, Error> {
        let mut downloads = Vec::new();
        for command in &recording.commands {
            match command {
                Command::Upload { buffer, words } => self.words(*buffer, |b| b[..words.len()].copy_from_slice(words)),
                Command::Clear(buffer) => self.words(*buffer, |b| b.fill(0)),
                Command::Dispatch(dispatch) => self.dispatch(dispatch),
                Command::Download { buffer, first, words } => {
                    downloads.push(self.read(*buffer, *first..*first + *words))
                }
            }
        }
        self.count(|c| {
            c.submits += 1;
            c.readbacks += recording.readbacks() as u64;
        });
        Ok(Downloads::new(downloads))
    }

    fn read(&self, buffer: BufferId, words: std::ops::Range<usize>) -> Vec<u32> {
        let mut out = Vec::new();
        self.words(buffer, |b| out.extend_from_slice(&b[words]));
        out
    }

    /// All words of a buffer.
    pub fn contents(&self, buffer: BufferId) -> Vec<u32> {
        let mut out = Vec::new();
        self.words(buffer, |b| out.clone_from(b));
        out
    }

    fn words(&self, buffer: BufferId, work: impl FnOnce(&mut Vec<u32>)) {
        let buffers = self.buffers.borrow();
        work(&mut live(&buffers, buffer).borrow_mut());
    }

    /// Calls the twin of one dispatch.
    pub fn dispatch(&self, dispatch: &Dispatch) {
        let buffers = self.buffers.borrow();
        let grid = match dispatch.grid {
            Grid::Direct(grid) => grid,
            Grid::Indirect { buffer, word } => {
                let words = live(&buffers, buffer).borrow();
                let at = word as usize;
                [words[at], words[at + 1], words[at + 2]]
            }
        };
        self.count(|c| c.dispatches += 1);
        if grid.contains(&0) {
            return;
        }
        let access = dispatch.kernel.bindings;
        assert_eq!(access.len(), dispatch.buffers.len(), "{}: one buffer a binding", dispatch.kernel.name);
        let mut held: Vec<Held> = dispatch
            .buffers
            .iter()
            .zip(access)
            .map(|(id, access)| match access {
                Access::Read => Held::Read(live(&buffers, *id).borrow()),
                Access::Write => Held::Write(live(&buffers, *id).borrow_mut()),
            })
            .collect();
        let mut slices: Vec<Slice> = held
            .iter_mut()
            .map(|h| match h {
                Held::Read(words) => Slice::Read(words),
                Held::Write(words) => Slice::Write(words),
            })
            .collect();
        (dispatch.kernel.twin)(&Call { dims: &dispatch.dims, constants: &dispatch.constants, grid }, &mut slices);
    }
}

fn live(buffers: &[Option<RefCell<Vec<u32>>>], buffer: BufferId) -> &RefCell<Vec<u32>> {
    buffers[buffer.0 as usize].as_ref().expect("a recording names only buffers that exist")
}
