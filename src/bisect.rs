//! Finding a wrong kernel: a recording runs on the CPU engine, and every dispatch once more on the GPU, from the same buffers.

use std::collections::BTreeMap;

use crate::cpu::CpuEngine;
use crate::error::Error;
use crate::gpu::GpuEngine;
use crate::kernels::{Access, Kernel};
use crate::recording::{BufferId, Command, Dispatch, Grid, Recording};

/// How far a value may be from the twin's: `|got − want| ≤ REL·|want| + ABS·max|want|`, over the values of its binding.
///
/// Both sides of a dispatch begin with the same bits, so that only its own rounding counts: the order of sums, and
/// transcendental functions to a few units in the last place.
const REL: f32 = 1e-4;
const ABS: f32 = 1e-5;

/// A binding that a kernel and its twin wrote differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which of the recording's dispatches, from 0.
    pub dispatch: usize,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The binding's number in the WGSL, from 1.
    pub binding: usize,
    /// How many of its words differ.
    pub count: usize,
    /// The word that differs most: its place, the GPU's value and the twin's.
    pub worst: (usize, f64, f64),
}

/// Runs `recording`, whose buffers are `cpu`'s, on the CPU engine, and tells what its dispatches give on the GPU instead.
///
/// An error does not carry on: the twin's results go into the next dispatch. Integers must be equal, floats close.
///
/// # Errors
/// Of either engine.
pub async fn bisect(recording: &Recording, cpu: &CpuEngine, gpu: &GpuEngine) -> Result<Vec<Difference>, Error> {
    let mut found = Vec::new();
    let mut index = 0;
    for command in &recording.commands {
        if let Command::Dispatch(dispatch) = command {
            let on_gpu = run_alone(dispatch, cpu, gpu).await?;
            cpu.dispatch(dispatch);
            for ((binding, id), got) in written(dispatch).zip(on_gpu) {
                let floats = holds_floats(dispatch.kernel, binding);
                if let Some((count, worst)) = compare(&got, &cpu.contents(id), floats) {
                    found.push(Difference { dispatch: index, kernel: dispatch.kernel.name, binding, count, worst });
                }
            }
            index += 1;
        } else {
            cpu.run(&Recording { commands: vec![command.clone()] })?;
        }
    }
    Ok(found)
}

/// The bindings that a dispatch writes, by number, with their buffers.
fn written(dispatch: &Dispatch) -> impl Iterator<Item = (usize, BufferId)> {
    let bindings = (1..).zip(&dispatch.buffers).zip(dispatch.kernel.bindings);
    bindings.filter(|(_, access)| **access == Access::Write).map(|((binding, id), _)| (binding, *id))
}

/// Runs one dispatch on the GPU from copies of the CPU engine's buffers; returns what it wrote, in the order of [`written`].
async fn run_alone(dispatch: &Dispatch, cpu: &CpuEngine, gpu: &GpuEngine) -> Result<Vec<Vec<u32>>, Error> {
    let mut named: Vec<BufferId> = dispatch.buffers.clone();
    if let Grid::Indirect { buffer, .. } = dispatch.grid {
        named.push(buffer);
    }
    let contents: BTreeMap<BufferId, Vec<u32>> = named.iter().map(|id| (*id, cpu.contents(*id))).collect();
    let wanted: Vec<(&'static str, usize)> = contents.values().map(|words| ("a copy", words.len())).collect();
    let copies: BTreeMap<BufferId, BufferId> = contents.keys().copied().zip(gpu.create(&wanted).await?).collect();

    let mut recording = Recording::default();
    let commands = &mut recording.commands;
    commands.extend(contents.into_iter().map(|(id, words)| Command::Upload { buffer: copies[&id], words }));
    let grid = match dispatch.grid {
        Grid::Indirect { buffer, word } => Grid::Indirect { buffer: copies[&buffer], word },
        direct => direct,
    };
    let buffers = dispatch.buffers.iter().map(|id| copies[id]).collect();
    commands.push(Command::Dispatch(Box::new(Dispatch { buffers, grid, ..dispatch.clone() })));
    let downloads: Vec<Command> = written(dispatch)
        .map(|(_, id)| Command::Download { buffer: copies[&id], first: 0, words: cpu.contents(id).len() })
        .collect();
    let count = downloads.len();
    commands.extend(downloads);

    let ran = gpu.run(&recording).await;
    copies.values().for_each(|id| gpu.destroy(*id));
    let mut downloads = ran?;
    Ok((0..count).map(|_| downloads.take_words()).collect())
}

/// Whether a binding holds floats, by its declaration in the WGSL; atomics hold their bits, and say so beside it.
///
/// # Panics
/// If the WGSL does not declare the binding on a line of its own: `tests/shaders.rs` sees that all do.
fn holds_floats(kernel: &Kernel, binding: usize) -> bool {
    let place = format!("@binding({binding})");
    let line = kernel.source.lines().find(|line| line.contains(&place));
    let line = line.unwrap_or_else(|| panic!("{}: no line declares binding {binding}", kernel.name));
    let declaration = line.split("//").next().unwrap_or(line);
    let bits = line.contains("atomic<u32>") && line.contains("bits of an f32");
    bits || ["f32>", "vec2f>", "vec4f>"].iter().any(|element| declaration.contains(element))
}

/// How many words differ, and the one that does most; none if all agree.
fn compare(got: &[u32], want: &[u32], floats: bool) -> Option<(usize, (usize, f64, f64))> {
    let value = |word: u32| if floats { f64::from(f32::from_bits(word)) } else { f64::from(word) };
    let largest = want.iter().map(|word| f32::from_bits(*word).abs()).filter(|v| v.is_finite()).fold(0.0, f32::max);
    let close = |got: u32, want: u32| {
        let (got, want) = (f32::from_bits(got), f32::from_bits(want));
        (got - want).abs() <= REL * want.abs() + ABS * largest || got.is_nan() && want.is_nan()
    };
    let off: Vec<usize> =
        (0..want.len()).filter(|&i| got[i] != want[i] && !(floats && close(got[i], want[i]))).collect();
    let by = |i: &usize| {
        let distance = (value(got[*i]) - value(want[*i])).abs();
        if distance.is_nan() { f64::INFINITY } else { distance }
    };
    let worst = *off.iter().max_by(|a, b| by(a).total_cmp(&by(b)))?;
    Some((off.len(), (worst, value(got[worst]), value(want[worst]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{COMBINE, PLACE, SINKHORN_EXPERTS, SLOT_SCAN};

    #[test]
    fn the_declaration_tells_floats_from_integers() {
        assert!(holds_floats(&COMBINE, 4), "array<vec4f>");
        assert!(!holds_floats(&COMBINE, 2), "array<vec2u>, though the comment might say f32");
        assert!(holds_floats(&PLACE, 7), "array<f32>");
        assert!(holds_floats(&SINKHORN_EXPERTS, 4), "bits of floats, which only integer atomics can hold");
        assert!(!holds_floats(&PLACE, 8) && !holds_floats(&SLOT_SCAN, 5), "array<u32>, array<vec4u>");
    }

    #[test]
    fn integers_must_be_equal_and_floats_close() {
        let bits = |values: [f32; 3]| values.map(f32::to_bits);
        let want = bits([1.0, -2.0, 1e-9]);
        assert_eq!(compare(&bits([1.00001, -2.0, 0.0]), &want, true), None);
        assert_eq!(compare(&bits([1.0, -2.1, 1e-9]), &want, true), Some((1, (1, f64::from(-2.1_f32), -2.0))));
        assert_eq!(compare(&[3, 5, 7], &[3, 4, 9], false), Some((2, (2, 7.0, 9.0))));
        let nan = bits([f32::NAN, -2.0, 1e-9]);
        assert_eq!(compare(&nan, &nan, true), None);
        assert_eq!(compare(&nan, &want, true).map(|(count, worst)| (count, worst.0)), Some((1, 0)));
    }
}
