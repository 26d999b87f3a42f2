//! A description as it came from outside, before anything about it is believed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A layer's description as it came: any object, its fields not yet looked at.
///
/// Deserialises from anything that serde can walk (a JavaScript object, JSON);
/// [`LayerConfig::from_raw`](super::LayerConfig::from_raw) checks it field by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawLayerConfig(pub(super) BTreeMap<String, Node>);

/// One value of a description, of whatever type it came in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// `undefined` or `null`: as good as not given.
    Absent,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

/// Fields whose value may be a typed array, which JavaScript does not count among the plain arrays.
const NUMBER_LISTS: [&str; 5] = ["selectionBias", "shares", "table", "mixture", "expertWidths"];

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Absent => write!(f, "missing"),
            Node::Bool(value) => write!(f, "{value}"),
            Node::Number(value) => write!(f, "{value}"),
            Node::Text(value) => write!(f, "\"{value}\""),
            Node::List(values) => write!(f, "a list of {}", values.len()),
            Node::Object(_) => write!(f, "an object"),
        }
    }
}

impl<'de> Deserialize<'de> for RawLayerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RawLayerConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object that describes a layer")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawLayerConfig, A::Error> {
                fields(map).map(RawLayerConfig)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

/// Reads a value as a sequence, whether or not it calls itself one.
struct NumberList;

impl<'de> DeserializeSeed<'de> for NumberList {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let values = Option::<Vec<Node>>::deserialize(deserializer)?;
        Ok(values.map_or(Node::Absent, Node::List))
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number, a string, a boolean, a list or a plain object")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Absent)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Node::List(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        fields(map).map(Node::Object)
    }
}

fn fields<'de, A: MapAccess<'de>>(mut map: A) -> Result<BTreeMap<String, Node>, A::Error> {
    let mut fields = BTreeMap::new();
    while let Some(name) = map.next_key::<String>()? {
        let value =
            if NUMBER_LISTS.contains(&name.as_str()) { map.next_value_seed(NumberList)? } else { map.next_value()? };
        fields.insert(name, value);
    }
    Ok(fields)
}
