//! Tokens → a tree of text, pipelines and blocks.

use super::lex::{Kind, Segment, Token};
use super::{Fault, fault, functions};
use serde_json::Value;
use std::iter::Peekable;
use std::vec::IntoIter;

/// How deep blocks and parentheses may nest: the tree is walked by recursion.
const DEEPEST: usize = 64;

/// A piece of the template.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Pipeline(Pipeline),
    Block { kind: Block, subject: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
}

/// What a block does with its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    If,
    With,
    Range,
}

/// Commands joined by `|`, perhaps behind `$x :=`.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    /// Variables that take the value, without `$`; two only for `range $k, $v := …`.
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`: the variables exist already.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand and the arguments given to it.
pub(super) type Command = Vec<Operand>;

/// One value: what it starts from, and the fields taken of it.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<(String, usize)>,
    pub(super) offset: usize,
}

/// Where an operand's value comes from.
#[derive(Debug, Clone)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Paren(Box<Pipeline>),
}

impl Node {
    /// The first field named in the node, outermost name first: `State.Status`.
    pub(super) fn first_field(&self) -> Option<String> {
        match self {
            Node::Text(_) => None,
            Node::Pipeline(pipeline) => pipeline.first_field(),
            Node::Block { subject, body, .. } => {
                subject.first_field().or_else(|| body.iter().find_map(Node::first_field))
            }
        }
    }

    /// `{{range .}}`, with variables or without.
    pub(super) fn ranges_over_dot(&self) -> bool {
        let Node::Block { kind: Block::Range, subject, .. } = self else { return false };
        let [command] = subject.commands.as_slice() else { return false };
        matches!(command.as_slice(), [Operand { base: Base::Dot, fields, .. }] if fields.is_empty())
    }
}

impl Pipeline {
    fn first_field(&self) -> Option<String> {
        self.commands.iter().flatten().find_map(|operand| match &operand.base {
            Base::Paren(inner) => inner.first_field(),
            _ if operand.fields.is_empty() => None,
            _ => {
                let names: Vec<_> = operand.fields.iter().map(|(name, _)| name.as_str()).collect();
                Some(names.join("."))
            }
        })
    }
}

/// The tree of a whole template.
pub(super) fn nodes(segments: Vec<Segment>) -> Result<Vec<Node>, Fault> {
    let mut parser = Parser { segments: segments.into_iter(), depth: 0 };
    match parser.body()? {
        (nodes, End::Template) => Ok(nodes),
        (_, End::Else(_, offset)) => fault(offset, "{{else}} outside of if, with and range"),
        (_, End::Block(offset)) => fault(offset, "{{end}} without if, with or range"),
    }
}

/// What stopped a body.
enum End {
    Template,
    Block(usize),
    Else(Vec<Token>, usize),
}

struct Parser {
    segments: IntoIter<Segment>,
    depth: usize,
}

impl Parser {
    fn body(&mut self) -> Result<(Vec<Node>, End), Fault> {
        let mut nodes = Vec::new();
        while let Some(segment) = self.segments.next() {
            let (mut tokens, offset) = match segment {
                Segment::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Segment::Action(tokens, offset) => (tokens, offset),
            };
            let keyword = match tokens.first().map(|t| &t.kind) {
                Some(Kind::Word(word)) => word.clone(),
                Some(_) => String::new(),
                None => return fault(offset, "an action must hold a value: {{.Field}}"),
            };
            match keyword.as_str() {
                "end" if tokens.len() == 1 => return Ok((nodes, End::Block(offset))),
                "else" => return Ok((nodes, End::Else(tokens.split_off(1), offset))),
                _ => match block_of(&keyword) {
                    Some(kind) => nodes.push(self.block(kind, tokens.split_off(1), offset)?),
                    None => nodes.push(Node::Pipeline(pipeline(tokens, offset, false)?)),
                },
            }
        }
        Ok((nodes, End::Template))
    }

    fn block(&mut self, kind: Block, head: Vec<Token>, offset: usize) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return fault(offset, format!("blocks nest deeper than {DEEPEST}"));
        }
        let subject = pipeline(head, offset, kind == Block::Range)?;
        let (body, end) = self.body()?;
        let otherwise = match end {
            End::Block(_) => Vec::new(),
            End::Template => return fault(offset, "the block that starts here has no {{end}}"),
            End::Else(rest, at) => self.otherwise(rest, at, offset)?,
        };
        self.depth -= 1;
        Ok(Node::Block { kind, subject, body, otherwise })
    }

    /// What follows an else, up to and with the end of its block.
    fn otherwise(
        &mut self,
        mut rest: Vec<Token>,
        at: usize,
        block: usize,
    ) -> Result<Vec<Node>, Fault> {
        if let Some(Kind::Word(word)) = rest.first().map(|t| &t.kind) {
            // `else if X` is an `if X` within the else; both end at the same {{end}}.
            return match block_of(word) {
                Some(kind @ (Block::If | Block::With)) => {
                    Ok(vec![self.block(kind, rest.split_off(1), at)?])
                }
                _ => fault(at, "only {{else}}, {{else if X}} and {{else with X}} are known"),
            };
        }
        if !rest.is_empty() {
            return fault(at, "{{else}} takes no value; {{else if X}} does");
        }
        match self.body()? {
            (nodes, End::Block(_)) => Ok(nodes),
            (_, End::Template) => fault(block, "the block that starts here has no {{end}}"),
            (_, End::Else(_, at)) => fault(at, "a second {{else}} in one block"),
        }
    }
}

fn block_of(word: &str) -> Option<Block> {
    match word {
        "if" => Some(Block::If),
        "with" => Some(Block::With),
        "range" => Some(Block::Range),
        _ => None,
    }
}

type Tokens = Peekable<IntoIter<Token>>;

fn pipeline(mut tokens: Vec<Token>, offset: usize, range: bool) -> Result<Pipeline, Fault> {
    let (variables, assigns, skip) = declaration(&tokens, range)?;
    let mut tokens = tokens.split_off(skip).into_iter().peekable();
    let commands = commands(&mut tokens, offset, 0)?;
    match tokens.next() {
        None => Ok(Pipeline { variables, assigns, commands }),
        Some(extra) => fault(extra.offset, "unexpected ) in an action"),
    }
}

/// The variables in front of `:=` or `=`, and how many tokens they took.
fn declaration(tokens: &[Token], range: bool) -> Result<(Vec<String>, bool, usize), Fault> {
    let kinds: Vec<&Kind> = tokens.iter().take(4).map(|t| &t.kind).collect();
    match kinds.as_slice() {
        [Kind::Variable(name), op @ (Kind::Declare | Kind::Assign), ..] => {
            Ok((vec![name.clone()], **op == Kind::Assign, 2))
        }
        [
            Kind::Variable(k),
            Kind::Comma,
            Kind::Variable(v),
            op @ (Kind::Declare | Kind::Assign),
        ] => {
            if !range {
                return fault(tokens[1].offset, "only range takes two variables");
            }
            Ok((vec![k.clone(), v.clone()], **op == Kind::Assign, 4))
        }
        _ => Ok((Vec::new(), false, 0)),
    }
}

/// Commands up to the end, or to a `)` that is left in place.
fn commands(tokens: &mut Tokens, offset: usize, depth: usize) -> Result<Vec<Command>, Fault> {
    if depth > DEEPEST {
        return fault(offset, format!("parentheses nest deeper than {DEEPEST}"));
    }
    let mut commands: Vec<Command> = vec![Vec::new()];
    while let Some(token) = tokens.next_if(|t| t.kind != Kind::Close) {
        let last = commands.len() - 1;
        if token.kind == Kind::Pipe {
            if commands[last].is_empty() {
                return fault(token.offset, "nothing stands in front of |");
            }
            commands.push(Vec::new());
            continue;
        }
        let operand = operand(token, tokens, depth)?;
        commands[last].push(operand);
    }
    match commands.last() {
        Some(last) if !last.is_empty() => Ok(commands),
        _ => fault(offset, "a value is missing"),
    }
}

fn operand(token: Token, tokens: &mut Tokens, depth: usize) -> Result<Operand, Fault> {
    let offset = token.offset;
    let mut fields = Vec::new();
    let base = match token.kind {
        Kind::Dot => Base::Dot,
        Kind::Field(name) => {
            fields.push((name, offset));
            Base::Dot
        }
        Kind::Variable(name) => Base::Variable(name),
        Kind::Text(text) => Base::Literal(Value::String(text)),
        Kind::Int(n) => Base::Literal(n.into()),
        Kind::Float(x) => Base::Literal(x.into()),
        Kind::Word(word) => named(word, offset)?,
        Kind::Open => {
            let commands = commands(tokens, offset, depth + 1)?;
            if tokens.next().is_none() {
                return fault(offset, "the ( here is not closed");
            }
            Base::Paren(Box::new(Pipeline { variables: Vec::new(), assigns: false, commands }))
        }
        Kind::Pipe | Kind::Close | Kind::Declare | Kind::Assign | Kind::Comma => {
            return fault(offset, "a value was expected here");
        }
    };
    while let Some(Token { kind: Kind::Field(name), offset, .. }) =
        tokens.next_if(|t| t.glued && matches!(t.kind, Kind::Field(_)))
    {
        fields.push((name, offset));
    }
    Ok(Operand { base, fields, offset })
}

fn named(word: String, offset: usize) -> Result<Base, Fault> {
    match word.as_str() {
        "true" => Ok(Base::Literal(Value::Bool(true))),
        "false" => Ok(Base::Literal(Value::Bool(false))),
        "nil" => Ok(Base::Literal(Value::Null)),
        _ if functions::NAMES.contains(&word.as_str()) => Ok(Base::Function(word)),
        _ => {
            let known = functions::NAMES.join(" ");
            fault(offset, format!("function {word:?} not defined; known are: {known}"))
        }
    }
}
