//! Reading one recorded case.

use include_dir::{Dir, include_dir};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::close::Tol;

static FIXTURES: Dir = include_dir!("$CARGO_MANIFEST_DIR/tests/fixtures");

/// One line of the index with its tensors.
pub struct Fixture {
    /// Its line in `index.json`.
    entry: Value,
    tensors: SafeTensors<'static>,
}

/// All fixtures of a family, in the order of the index.
pub fn family(name: &str) -> Vec<Fixture> {
    let index = FIXTURES.get_file("index.json").expect("the index is embedded").contents();
    let index: Value = serde_json::from_slice(index).expect("the index is JSON");
    let entries = index["cases"].as_array().expect("the index lists cases");
    let of_family = |entry: &&Value| text(entry, "id").split('/').next() == Some(name);
    let fixtures: Vec<_> = entries.iter().filter(of_family).cloned().map(Fixture::new).collect();
    assert!(!fixtures.is_empty(), "no fixtures of the family {name}");
    fixtures
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("`{key}` of {entry} is text"))
}

impl Fixture {
    fn new(entry: Value) -> Self {
        let file = FIXTURES.get_file(text(&entry, "file")).expect("the file is embedded");
        let tensors = SafeTensors::deserialize(file.contents()).expect("the file holds tensors");
        Fixture { entry, tensors }
    }

    /// Family and name.
    pub fn id(&self) -> &str {
        text(&self.entry, "id")
    }

    /// A setting of the recorded code; null if it has none of that name.
    pub fn config(&self, key: &str) -> &Value {
        &self.entry["config"][key]
    }

    /// A setting that is a whole number.
    pub fn size(&self, key: &str) -> usize {
        let value = self.config(key).as_u64();
        value.unwrap_or_else(|| panic!("{}: `{key}` is a whole number", self.id())) as usize
    }

    /// Whether a remark that relaxes the comparison applies.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.entry["flags"].as_array().is_some_and(|flags| flags.iter().any(|f| f == flag))
    }

    /// A recorded scalar.
    pub fn scalar(&self, name: &str) -> f64 {
        self.entry["scalars"][name].as_f64().unwrap_or_else(|| panic!("{}: scalar `{name}`", self.id()))
    }

    /// A recorded scalar, if there is one of that name.
    pub fn find_scalar(&self, name: &str) -> Option<f64> {
        self.entry["scalars"][name].as_f64()
    }

    /// A number among the tolerances of a result that is no tensor.
    pub fn allowance(&self, name: &str, key: &str) -> f64 {
        let value = self.entry["tolerances"][name][key].as_f64();
        value.unwrap_or_else(|| panic!("{}: {key} of `{name}`", self.id()))
    }

    /// Whether a tensor was recorded.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name).shape().to_vec()
    }

    /// An f32 tensor.
    pub fn f32s(&self, name: &str) -> Vec<f32> {
        let view = self.view(name);
        assert_eq!(view.dtype(), Dtype::F32, "{}: `{name}`", self.id());
        let (words, _) = view.data().as_chunks::<4>();
        words.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }

    /// A tensor of any type, as f64.
    pub fn f64s(&self, name: &str) -> Vec<f64> {
        let view = self.view(name);
        match view.dtype() {
            Dtype::F32 => self.f32s(name).into_iter().map(f64::from).collect(),
            Dtype::I32 => {
                let (words, _) = view.data().as_chunks::<4>();
                words.iter().map(|word| f64::from(i32::from_le_bytes(*word))).collect()
            }
            Dtype::F64 => {
                let (words, _) = view.data().as_chunks::<8>();
                words.iter().map(|word| f64::from_le_bytes(*word)).collect()
            }
            other => panic!("{}: `{name}` is {other:?}", self.id()),
        }
    }

    /// A tensor of indices.
    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.f64s(name).into_iter().map(|i| i as usize).collect()
    }

    /// How close one must come to a tensor.
    pub fn tol(&self, name: &str) -> Tol {
        let tol = &self.entry["tolerances"][name];
        let part = |key: &str| tol[key].as_f64().unwrap_or_else(|| panic!("{}: {key} of `{name}`", self.id()));
        Tol { abs: part("atol"), rel: part("rtol") }
    }

    fn view(&self, name: &str) -> safetensors::tensor::TensorView<'_> {
        self.tensors.tensor(name).unwrap_or_else(|e| panic!("{}: `{name}`: {e}", self.id()))
    }
}
