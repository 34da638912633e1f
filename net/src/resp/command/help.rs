//! `CONTAINER HELP`, made from the table.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, ArgumentKind, CommandSpec};

/// Lists the subcommands of `spec`, two lines each, as Redis does.
pub(super) fn run<'a>(call: &mut Call<'a, '_>, spec: &'static CommandSpec) -> Result<Step<'a>, Fault<'a>> {
    let title = spec.name.to_uppercase();
    let mut lines = vec![format!("{title} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for sub in spec.subcommands {
        let mut line = sub.word().to_uppercase();
        for argument in sub.arguments {
            line.push(' ');
            usage(argument, &mut line);
        }
        lines.push(line);
        lines.push(format!("    {}", sub.summary));
    }
    lines.push("HELP".to_owned());
    lines.push("    Prints this help.".to_owned());
    let mut reply = call.reply();
    reply.array(lines.len());
    for line in &lines {
        reply.simple(line);
    }
    Ok(Step::Replied)
}

/// For example `[ID client-id ...]`.
fn usage(argument: &Argument, line: &mut String) {
    if argument.optional {
        line.push('[');
    }
    if let Some(token) = argument.token {
        line.push_str(token);
    }
    if argument.token.is_some() && argument.kind != ArgumentKind::PureToken {
        line.push(' ');
    }
    match argument.kind {
        ArgumentKind::PureToken => {}
        ArgumentKind::OneOf => parts(argument.arguments, "|", line),
        ArgumentKind::Block => parts(argument.arguments, " ", line),
        _ => line.push_str(argument.name),
    }
    if let (true, Some(token)) = (argument.multiple_token, argument.token) {
        line.push_str(" [");
        line.push_str(token);
        line.push_str(" ...]");
    } else if argument.multiple {
        line.push_str(" ...");
    }
    if argument.optional {
        line.push(']');
    }
}

fn parts(arguments: &[Argument], between: &str, line: &mut String) {
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            line.push_str(between);
        }
        usage(argument, line);
    }
}
