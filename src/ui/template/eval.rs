//! A tree of pipelines + a JSON value → text.

use super::functions;
use super::parse::{Base, Block, Command, Node, Operand, Pipeline};
use super::typed::{self, Special, special};
use super::{Fault, Values, fault};
use crate::ui::print;
use serde_json::Value;
use std::borrow::Cow;

/// Fills the tree in.
pub(super) fn render(nodes: &[Node], data: &Value, values: Values) -> Result<String, Fault> {
    let variables = vec![(String::new(), Cow::Borrowed(data))];
    let mut run = Run { variables, out: String::new(), values };
    run.nodes(nodes, data)?;
    Ok(run.out)
}

/// What a value prints as: text as it is, JSON's null as Go's missing value.
pub(super) fn shown(value: &Value) -> String {
    if let Some(special) = special(value) {
        return special.shown();
    }
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => match n.as_f64() {
            Some(x) if n.is_f64() => float(x),
            _ => n.to_string(),
        },
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", shown(v))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// The shortest digits that give the number again, as Go prints them: without a point for a whole
/// one, and with an exponent of two digits for one that is very small or large.
fn float(x: f64) -> String {
    if x == 0.0 || (1e-4..1e21).contains(&x.abs()) {
        return x.to_string();
    }
    let text = format!("{x:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Whether `if`, `and`, `or`, `not` take a value for true: everything but the empty ones.
pub(super) fn truth(value: &Value) -> bool {
    match special(value) {
        Some(Special::Time(_)) => return true,
        Some(Special::Nil(_)) => return false,
        None => {}
    }
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

struct Run<'a> {
    /// Name without `$` and value; the innermost last. The first one is `$` itself.
    variables: Vec<(String, Cow<'a, Value>)>,
    out: String,
    values: Values,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), Fault> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Pipeline(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        let text = match value {
                            Value::String(text) => text,
                            other => shown(&other),
                        };
                        match self.values {
                            Values::Raw => self.out.push_str(&text),
                            Values::Cells => self.out.push_str(&print::escaped_cell(&text)),
                        }
                    }
                }
                Node::Block { kind, subject, body, otherwise } => {
                    let outer = self.variables.len();
                    self.block(*kind, subject, body, otherwise, dot)?;
                    self.variables.truncate(outer);
                }
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        kind: Block,
        subject: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<(), Fault> {
        if kind == Block::Range {
            return self.range(subject, body, otherwise, dot);
        }
        let value = self.pipeline(subject, dot)?;
        match (truth(&value), kind) {
            (true, Block::With) => self.nodes(body, &value),
            (true, _) => self.nodes(body, dot),
            (false, _) => self.nodes(otherwise, dot),
        }
    }

    fn range(
        &mut self,
        subject: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<(), Fault> {
        let value = self.commands(&subject.commands, dot)?;
        let items = items(value).or_else(|what| {
            fault(offset_of(subject), format!("range can't iterate over {what}"))
        })?;
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let outer = self.variables.len();
        for (key, item) in items {
            match subject.variables.as_slice() {
                [k, v] => {
                    self.store(subject, k, key)?;
                    self.store(subject, v, item.clone())?;
                }
                [v] => self.store(subject, v, item.clone())?,
                _ => {}
            }
            self.nodes(body, &item)?;
            self.variables.truncate(outer);
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Fault> {
        let value = self.commands(&pipeline.commands, dot)?;
        for name in &pipeline.variables {
            self.store(pipeline, name, value.clone())?;
        }
        Ok(value)
    }

    fn store(&mut self, pipeline: &Pipeline, name: &str, value: Value) -> Result<(), Fault> {
        if !pipeline.assigns {
            self.variables.push((name.to_owned(), Cow::Owned(value)));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some(slot) => {
                slot.1 = Cow::Owned(value);
                Ok(())
            }
            None => fault(offset_of(pipeline), format!("undefined variable ${name}")),
        }
    }

    fn commands(&mut self, commands: &[Command], dot: &Value) -> Result<Value, Fault> {
        let mut piped = None;
        for command in commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        Ok(piped.unwrap_or(Value::Null))
    }

    fn command(
        &mut self,
        command: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Fault> {
        let Some((first, rest)) = command.split_first() else { return Ok(Value::Null) };
        let Base::Function(name) = &first.base else {
            if let ([argument], None) = (rest, &piped)
                && let Some(answer) = self.method(first, argument, dot)?
            {
                return Ok(answer);
            }
            if let (Base::Dot, [argument], None) = (&first.base, rest, &piped)
                && let Value::Object(answers) = self.operand(first, dot)?
                && let Value::String(argument) = self.operand(argument, dot)?
            {
                return Ok(answers.get(&argument).cloned().unwrap_or_else(|| "".into()));
            }
            if !rest.is_empty() || piped.is_some() {
                return fault(first.offset, "can't give an argument to what is not a function");
            }
            return self.operand(first, dot);
        };
        let value = match name.as_str() {
            "and" => self.first_that(first, rest, piped, dot, false)?,
            "or" => self.first_that(first, rest, piped, dot, true)?,
            _ => {
                let mut arguments = Vec::with_capacity(rest.len() + 1);
                for operand in rest {
                    arguments.push(self.operand(operand, dot)?);
                }
                arguments.extend(piped);
                functions::call(name, arguments)
                    .or_else(|reason| fault(first.offset, format!("{name}: {reason}")))?
            }
        };
        fields(value, &first.fields)
    }

    /// A method that takes one argument, where `call` is one: `.Created.Format "2006-01-02"`.
    fn method(
        &mut self,
        call: &Operand,
        argument: &Operand,
        dot: &Value,
    ) -> Result<Option<Value>, Fault> {
        let Some(((name, offset), before)) = call.fields.split_last() else { return Ok(None) };
        let receiver =
            Operand { base: call.base.clone(), fields: before.to_vec(), offset: call.offset };
        let Some(Special::Time(time)) = special(&self.operand(&receiver, dot)?) else {
            return Ok(None);
        };
        let argument = self.operand(argument, dot)?;
        typed::method(&time, name, &argument).or_else(|reason| fault(*offset, reason)).map(Some)
    }

    /// `and`, `or`: the first value whose truth is `wanted`, else the last; the rest is not read.
    fn first_that(
        &mut self,
        function: &Operand,
        rest: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        wanted: bool,
    ) -> Result<Value, Fault> {
        let mut last = None;
        for operand in rest {
            let value = self.operand(operand, dot)?;
            if truth(&value) == wanted {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => fault(function.offset, "and, or: at least one argument is needed"),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Fault> {
        match &operand.base {
            Base::Dot => fields_of(dot, &operand.fields),
            Base::Variable(name) => {
                match self.variables.iter().rev().find(|(known, _)| known == name) {
                    Some((_, value)) => fields_of(value, &operand.fields),
                    None => fault(operand.offset, format!("undefined variable ${name}")),
                }
            }
            Base::Literal(value) => fields_of(value, &operand.fields),
            Base::Paren(pipeline) => {
                let value = self.commands(&pipeline.commands, dot)?;
                fields(value, &operand.fields)
            }
            Base::Function(_) => self.command(std::slice::from_ref(operand), None, dot),
        }
    }
}

fn offset_of(pipeline: &Pipeline) -> usize {
    pipeline.commands.first().and_then(|c| c.first()).map_or(0, |operand| operand.offset)
}

/// Keys and values to iterate over, or the name of what cannot be.
fn items(value: Value) -> Result<Vec<(Value, Value)>, &'static str> {
    if let Some(Special::Time(_)) = special(&value) {
        return Err(kind(&value));
    }
    match typed::plain(value) {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            Ok(items.into_iter().enumerate().map(|(i, v)| (Value::from(i), v)).collect())
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(pairs.into_iter().map(|(k, v)| (Value::String(k), v)).collect())
        }
        other => Err(kind(&other)),
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    if let Some(special) = special(value) {
        return special.kind();
    }
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn fields(value: Value, names: &[(String, usize)]) -> Result<Value, Fault> {
    if names.is_empty() { Ok(value) } else { fields_of(&value, names) }
}

fn fields_of(value: &Value, names: &[(String, usize)]) -> Result<Value, Fault> {
    let mut value = Cow::Borrowed(value);
    for (name, offset) in names {
        value = match (special(&value), value) {
            (Some(Special::Time(time)), _) => {
                Cow::Owned(typed::field(&time, name).or_else(|reason| fault(*offset, reason))?)
            }
            (None, Cow::Borrowed(Value::Object(map))) => Cow::Borrowed(member(map, name, *offset)?),
            (_, other) => {
                return fault(*offset, format!("can't evaluate field {name} in {}", kind(&other)));
            }
        };
    }
    Ok(value.into_owned())
}

fn member<'a>(
    map: &'a serde_json::Map<String, Value>,
    name: &str,
    offset: usize,
) -> Result<&'a Value, Fault> {
    if let Some(found) = map.get(name).or_else(|| any_case(map, name)) {
        return Ok(found);
    }
    let mut known: Vec<&str> = map.keys().map(String::as_str).collect();
    known.sort_unstable();
    fault(offset, format!("can't evaluate field {name}; known: {}", known.join(" ")))
}

/// The one key that is `name` but for its case: JSON says `Id` where people type `.ID`.
fn any_case<'a>(map: &'a serde_json::Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut same = map.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    match (same.next(), same.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}
