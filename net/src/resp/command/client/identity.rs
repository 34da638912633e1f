//! `CLIENT ID|SETNAME|GETNAME|SETINFO`

use super::client;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::spec::{Argument, CommandSpec};

pub(in crate::resp::command) static ID: CommandSpec = CommandSpec {
    summary: "Returns the unique id of the connection.",
    since: "5.0.0",
    run: Some(id),
    ..client("client|id", 2)
};

pub(in crate::resp::command) static SETNAME: CommandSpec = CommandSpec {
    summary: "Sets the connection name.",
    since: "2.6.9",
    arguments: &[Argument::string("connection-name")],
    run: Some(setname),
    ..client("client|setname", 3)
};

pub(in crate::resp::command) static GETNAME: CommandSpec = CommandSpec {
    summary: "Returns the name of the connection.",
    since: "2.6.9",
    run: Some(getname),
    ..client("client|getname", 2)
};

pub(in crate::resp::command) static SETINFO: CommandSpec = CommandSpec {
    summary: "Sets information specific to the client or connection.",
    since: "7.2.0",
    arguments: &[Argument::one_of(
        "attr",
        &[Argument::string("libname").after("LIB-NAME"), Argument::string("libver").after("LIB-VER")],
    )],
    run: Some(setinfo),
    ..client("client|setinfo", 4)
};

/// Bytes of a connection's name, and of a library's name and version.
const NAME_BYTES_MAX: usize = 256;

/// A name that can stand in the one line that `CLIENT LIST` has for a connection. Empty: none.
///
/// # Errors
/// [`Fault::ClientName`], [`Fault::Length`].
pub(in crate::resp::command) fn checked_name(name: &[u8]) -> Result<&[u8], Fault<'_>> {
    if !is_line_text(name) {
        return Err(Fault::ClientName);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Fault::Length("name"));
    }
    Ok(name)
}

fn is_line_text(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

fn id<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let id = call.session.id();
    call.reply().count(id);
    Ok(Step::Replied)
}

fn setname<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let name = checked_name(call.arg(2))?;
    call.session.set_name(name);
    call.ok()
}

fn getname<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let name = call.session.name().to_vec();
    if name.is_empty() {
        call.reply().null();
    } else {
        call.reply().bulk(&name);
    }
    Ok(Step::Replied)
}

fn setinfo<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (attribute, value) = (call.arg(2), call.arg(3));
    if attribute.eq_ignore_ascii_case(b"lib-name") {
        call.session.set_lib_name(checked_library_text("lib-name", value)?);
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        call.session.set_lib_version(checked_library_text("lib-ver", value)?);
    } else {
        return Err(Fault::ClientAttribute(attribute));
    }
    call.ok()
}

fn checked_library_text<'a>(name: &'static str, text: &'a [u8]) -> Result<&'a [u8], Fault<'a>> {
    if !is_line_text(text) {
        return Err(Fault::LibraryText(name));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(Fault::Length(name));
    }
    Ok(text)
}
