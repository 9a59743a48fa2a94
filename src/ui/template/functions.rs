//! What templates can call: Go's predefined functions, and those that podman adds.

use super::eval::{kind, shown, truth};
use super::typed::{self, special};
use serde_json::Value;
use std::cmp::Ordering;

/// Every function, as the parser accepts and errors list them. `and` and `or` live in `eval`.
pub(super) const NAMES: &[&str] = &[
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "index", "slice", "len", "print",
    "printf", "println", "json", "join", "split", "upper", "lower", "title", "truncate",
];

/// Longest width or precision that printf takes: a format is not a way to fill the memory.
const WIDEST: usize = 4096;

/// Calls `name`. Errors: a sentence without the function's name.
pub(super) fn call(name: &str, arguments: Vec<Value>) -> Result<Value, String> {
    if let ("json", [value]) = (name, &*arguments) {
        return Ok(typed::json(value).to_string().into());
    }
    if matches!(name, "print" | "println" | "printf") {
        return print(name, &arguments);
    }
    let arguments: Vec<Value> = arguments.into_iter().map(typed::plain).collect();
    match (name, &*arguments) {
        ("len" | "index" | "slice", [value, ..]) if special(value).is_some() => {
            Err(unfit(name, &arguments))
        }
        ("not", [value]) => Ok(Value::Bool(!truth(value))),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            let mut found = false;
            for other in others {
                found |= equal(first, other)?;
            }
            Ok(Value::Bool(found))
        }
        ("ne", [a, b]) => Ok(Value::Bool(!equal(a, b)?)),
        ("lt", [a, b]) => Ok(Value::Bool(order(a, b)? == Ordering::Less)),
        ("le", [a, b]) => Ok(Value::Bool(order(a, b)? != Ordering::Greater)),
        ("gt", [a, b]) => Ok(Value::Bool(order(a, b)? == Ordering::Greater)),
        ("ge", [a, b]) => Ok(Value::Bool(order(a, b)? != Ordering::Less)),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("slice", [value, bounds @ ..]) if bounds.len() <= 2 => slice(value, bounds),
        ("len", [value]) => length(value).map(Value::from),
        ("join", [Value::Array(items), Value::String(between)]) => {
            Ok(joined(items, between).into())
        }
        ("join", [Value::Null, Value::String(_)]) => Ok("".into()),
        ("split", [Value::String(text), Value::String(at)]) => Ok(split(text, at)),
        ("upper", [Value::String(text)]) => Ok(text.to_uppercase().into()),
        ("lower", [Value::String(text)]) => Ok(text.to_lowercase().into()),
        ("title", [Value::String(text)]) => Ok(title(text).into()),
        ("truncate", [Value::String(text), width]) => {
            Ok(text.chars().take(position(width)?).collect::<String>().into())
        }
        _ => Err(unfit(name, &arguments)),
    }
}

/// What shows its arguments: a nil is not an empty list to it.
fn print(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("print", values) => Ok(joined(values, "").into()),
        ("println", values) => Ok(format!("{}\n", joined(values, " ")).into()),
        (_, [Value::String(format), values @ ..]) => Ok(printf(format, values)?.into()),
        _ => Err(unfit(name, arguments)),
    }
}

fn unfit(name: &str, arguments: &[Value]) -> String {
    let given: Vec<_> = arguments.iter().map(kind).collect();
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
    format!("{}, not {given}", wanted(name))
}

/// What a function wants to be given.
fn wanted(name: &str) -> &'static str {
    match name {
        "join" => "wants a list and a string",
        "split" => "wants two strings",
        "printf" => "wants a format string and values",
        "upper" | "lower" | "title" => "wants a string",
        "truncate" => "wants a string and a number",
        "not" | "len" | "json" => "wants one value",
        "eq" => "wants two or more values",
        "slice" => "wants a string or list and at most two numbers",
        "index" => "wants a list or map and keys",
        _ => "wants two values",
    }
}

fn joined(values: &[Value], between: &str) -> String {
    values.iter().map(shown).collect::<Vec<_>>().join(between)
}

fn split(text: &str, at: &str) -> Value {
    if at.is_empty() {
        return text.chars().map(|c| Value::from(c.to_string())).collect();
    }
    text.split(at).map(Value::from).collect()
}

fn title(text: &str) -> String {
    let mut start = true;
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        if start {
            titled.extend(c.to_uppercase())
        } else {
            titled.push(c)
        }
        start = c.is_whitespace();
    }
    titled
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(a.is_null() && b.is_null()),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        _ => order(a, b).map(|found| found == Ordering::Equal),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    let found = match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => Some(x.cmp(&y)),
            _ => x.as_f64().zip(y.as_f64()).and_then(|(x, y)| x.partial_cmp(&y)),
        },
        _ => None,
    };
    found.ok_or_else(|| format!("{} and {} cannot be compared", kind(a), kind(b)))
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null => Ok(0),
        other => Err(format!("{} has no length", kind(other))),
    }
}

fn position(value: &Value) -> Result<usize, String> {
    let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
    number.ok_or_else(|| format!("{} is not a position", shown(value)))
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            // As in Go: a key that a map lacks is its empty value, not an error.
            (Value::Object(map), Value::String(key)) => {
                map.get(key).cloned().unwrap_or_else(|| "".into())
            }
            (Value::Array(items), _) => {
                let at = position(key)?;
                let found = items.get(at).cloned();
                found.ok_or_else(|| format!("{at} is out of range, there are {}", items.len()))?
            }
            (Value::Null, Value::String(_)) => "".into(),
            (other, key) => {
                return Err(format!("{} cannot be indexed by {}", kind(other), kind(key)));
            }
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = length(value)?;
    let from = bounds.first().map_or(Ok(0), position)?;
    let to = bounds.get(1).map_or(Ok(length), position)?;
    let out = || format!("{from}:{to} is out of range, the length is {length}");
    match value {
        Value::String(text) => text.get(from..to).map(Value::from).ok_or_else(out),
        Value::Array(items) => {
            items.get(from..to).map(|part| Value::Array(part.to_vec())).ok_or_else(out)
        }
        other => Err(format!("{} cannot be sliced", kind(other))),
    }
}

/// One `%` directive.
#[derive(Debug, Default)]
struct Directive {
    left: bool,
    zeros: bool,
    plus: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Go's Printf for %v %s %d %q %x %X %t %f %c %o %b, with flags, width and precision.
fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = directive(&mut rest)?;
        let Some(verb) = rest.next() else { return Err("the format ends within a %".to_owned()) };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            return Err(format!("%{verb} has no value to print"));
        };
        let text = converted(verb, value, &directive)?;
        out.push_str(&padded(text, value, &directive));
    }
    match values.count() {
        0 => Ok(out),
        extra => Err(format!("{extra} more values than the format has directives")),
    }
}

fn directive(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Directive, String> {
    let mut found = Directive::default();
    while let Some(flag) = rest.next_if(|c| "-+#0 ".contains(*c)) {
        match flag {
            '-' => found.left = true,
            '+' => found.plus = true,
            '#' => found.sharp = true,
            '0' => found.zeros = true,
            _ => {}
        }
    }
    let number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut n = 0;
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            n = (n * 10 + digit as usize - '0' as usize).min(WIDEST + 1);
        }
        if n > WIDEST { Err(format!("a width above {WIDEST}")) } else { Ok(n) }
    };
    found.width = number(rest)?;
    if rest.next_if_eq(&'.').is_some() {
        found.precision = Some(number(rest)?);
    }
    Ok(found)
}

fn converted(verb: char, value: &Value, how: &Directive) -> Result<String, String> {
    let integer = || value.as_i64().ok_or_else(|| format!("%{verb} cannot print {}", kind(value)));
    let cut = |text: String| match how.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    Ok(match verb {
        'v' => shown(value),
        's' => cut(shown(value)),
        'q' => quoted(&shown(value)),
        't' if value.is_boolean() => shown(value),
        'd' if how.plus => format!("{:+}", integer()?),
        'd' => integer()?.to_string(),
        'o' => format!("{:o}", integer()?),
        'b' => format!("{:b}", integer()?),
        'x' | 'X' => {
            let digits = match value {
                Value::String(text) => text.bytes().map(|b| format!("{b:02x}")).collect(),
                _ => format!("{:x}", integer()?),
            };
            let digits = if how.sharp { format!("0x{digits}") } else { digits };
            if verb == 'X' { digits.to_uppercase() } else { digits }
        }
        'c' => {
            let c = u32::try_from(integer()?).ok().and_then(char::from_u32);
            c.ok_or_else(|| "%c wants a character".to_owned())?.to_string()
        }
        'f' => match value.as_f64() {
            Some(x) => format!("{x:.*}", how.precision.unwrap_or(6)),
            None => return Err(format!("%f cannot print {}", kind(value))),
        },
        _ => return Err(format!("%{verb} cannot print {}", kind(value))),
    })
}

/// A Go string literal: like JSON's, but for what JSON escapes needlessly or not at all.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x80 && c.is_control() => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn padded(text: String, value: &Value, how: &Directive) -> String {
    let missing = how.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if how.left {
        return text + &" ".repeat(missing);
    }
    if how.zeros && value.is_number() {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text.as_str()),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    " ".repeat(missing) + &text
}
