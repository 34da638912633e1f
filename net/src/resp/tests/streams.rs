//! Commands about streams and keys: what they ask for, and why they are refused. The refusals are those of Redis 7.0.15 for the
//! same bytes, but for what is named.

use super::fixture::Fixture;
use crate::resp::command::key_call::{KeyCall, ScanStep, Shape};
use sluice_engine::id::RequestHash;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{
    Add, After, AutoClaim, Claim, Clock, Delivered, Expire, ExpireWhen, GroupOp, Keep, KeyOp, NewId,
    PendingRange, Range, Read, ReadGroup, Scan, SetId, Trim, Unit,
};
use sluice_engine::stream::text::Text;

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn text(word: &str) -> Text {
    Text::from(word.as_bytes())
}

#[track_caller]
fn asks(line: &str, op: KeyOp) {
    asks_call(line, KeyCall::new(op));
}

#[track_caller]
fn asks_call(line: &str, call: KeyCall) {
    assert_eq!(Fixture::open().calls(format!("{line}\r\n").as_bytes()), call, "{line}");
}

fn add(key: &str, id: NewId, fields: &[&str]) -> Add {
    let fields: Vec<&[u8]> = fields.iter().map(|text| text.as_bytes()).collect();
    Add {
        key: text(key),
        no_create: false,
        trim: None,
        id,
        fields: Fields::pack(fields),
        request: None,
        ttl_ms: None,
        end: false,
    }
}

#[test]
fn appends() {
    asks("xadd k * a b", KeyOp::Add(add("k", NewId::Auto, &["a", "b"])));
    asks("XADD k 5-1 a b c d", KeyOp::Add(add("k", NewId::Exact(id(5, 1)), &["a", "b", "c", "d"])));
    asks("xadd k 5 a b", KeyOp::Add(add("k", NewId::Exact(id(5, 0)), &["a", "b"])));
    asks("xadd k 5-* a b", KeyOp::Add(add("k", NewId::Within(5), &["a", "b"])));
    asks("xadd k +007-01 a b", KeyOp::Add(add("k", NewId::Exact(id(7, 1)), &["a", "b"])));
    let exact = Trim { keep: Keep::Newest(50), limit: 0 };
    let trimmed = |trim| KeyOp::Add(Add { trim: Some(trim), ..add("k", NewId::Auto, &["a", "b"]) });
    asks("xadd k maxlen 50 * a b", trimmed(exact));
    asks("xadd k MAXLEN = 50 * a b", trimmed(exact));
    asks("xadd k maxlen ~ 50 * a b", trimmed(Trim { limit: 10_000, ..exact }));
    asks("xadd k maxlen ~ 50 limit 0 * a b", trimmed(exact));
    asks("xadd k limit 7 minid ~ 3 * a b", trimmed(Trim { keep: Keep::From(id(3, 0)), limit: 7 }));
    let whole = Add {
        no_create: true,
        request: Some(RequestHash(304)),
        trim: Some(exact),
        ..add("key", NewId::Auto, &["a", "b"])
    };
    asks("xadd key nomkstream request once maxlen 50 * a b", KeyOp::Add(whole));
}

#[test]
fn edits() {
    asks("xlen k", KeyOp::Len(text("k")));
    asks("xdel k 1-1 2", KeyOp::Remove(text("k"), vec![id(1, 1), id(2, 0)]));
    asks("xtrim k minid 5", KeyOp::Trim(text("k"), Trim { keep: Keep::From(id(5, 0)), limit: 0 }));
    asks("xtrim k maxlen ~ 5 limit 4", KeyOp::Trim(text("k"), Trim { keep: Keep::Newest(5), limit: 4 }));
    asks("x.end k", KeyOp::End(text("k")));
    let set = SetId { key: text("k"), id: id(5, 1), added: None, max_deleted: None };
    asks("xsetid k 5-1", KeyOp::SetId(set.clone()));
    let whole = SetId { added: Some(9), max_deleted: Some(id(5, 0)), ..set };
    asks("xsetid k 5-1 maxdeletedid 5 entriesadded 9", KeyOp::SetId(whole));
}

#[test]
fn ranges() {
    let all = Range { key: text("k"), start: StreamId::MIN, end: StreamId::MAX, count: None, reverse: false };
    asks("xrange k - +", KeyOp::Range(all.clone()));
    asks("xrevrange k + -", KeyOp::Range(Range { reverse: true, ..all.clone() }));
    asks("xrange k - + count 0", KeyOp::Range(Range { count: Some(0), ..all.clone() }));
    asks("xrange k - + count -1", KeyOp::Range(Range { count: Some(0), ..all.clone() }));
    asks("xrange k - + count 1 COUNT 2", KeyOp::Range(Range { count: Some(2), ..all.clone() }));
    let part = Range { start: id(5, 0), end: id(7, u64::MAX), ..all.clone() };
    asks("xrange k 5 7", KeyOp::Range(part));
    let exclusive = Range { start: id(5, 1), end: id(7, u64::MAX - 1), ..all };
    asks("xrange k (5 (7", KeyOp::Range(exclusive.clone()));
    asks("xrevrange k (7 (5", KeyOp::Range(Range { reverse: true, ..exclusive }));
}

#[test]
fn reads() {
    let read = |streams: &[(&str, After)], count, waits| {
        let streams = streams.iter().map(|(key, after)| (text(key), *after)).collect();
        KeyOp::Read(Read { streams, count, waits })
    };
    asks("xread streams k 0", read(&[("k", After::Id(StreamId::MIN))], 0, false));
    asks("xread count -3 streams k $", read(&[("k", After::Last)], 0, false));
    let two = [("a", After::Id(id(1, 2))), ("a", After::LastEntry)];
    asks("xread count 9 STREAMS a a 1-2 +", read(&two, 9, false));
    let waits = KeyCall::new(read(&[("k", After::Last)], 0, true));
    asks_call("xread block 1500 streams k $", KeyCall { wait_ms: Some(1_500), ..waits.clone() });
    asks_call("xread block 0 streams k $", KeyCall { wait_ms: Some(0), ..waits });
    let group = ReadGroup {
        group: text("g"),
        consumer: text("c"),
        streams: vec![(text("a"), None), (text("b"), Some(id(5, 0)))],
        count: 2,
        no_ack: true,
        waits: false,
    };
    asks("xreadgroup group g c count 2 noack streams a b > 5", KeyOp::ReadGroup(group.clone()));
    let waits = KeyCall::new(KeyOp::ReadGroup(ReadGroup { waits: true, ..group }));
    let line = "xreadgroup count 2 block 7 group g c noack streams a b > 5";
    asks_call(line, KeyCall { wait_ms: Some(7), ..waits });
}

#[test]
fn groups() {
    let group = |op| KeyOp::Group(text("k"), text("g"), op);
    let create = |from, make, read| group(GroupOp::Create { from, make, read });
    asks("xgroup create k g $", create(After::Last, false, None));
    asks("xgroup create k g 5 entriesread 7 MKSTREAM", create(After::Id(id(5, 0)), true, Some(7)));
    asks(
        "xgroup setid k g 0 entriesread -1",
        group(GroupOp::SetId { from: After::Id(StreamId::MIN), read: Some(-1) }),
    );
    asks("xgroup destroy k g", group(GroupOp::Destroy));
    asks("xgroup createconsumer k g c", group(GroupOp::AddConsumer(text("c"))));
    asks("xgroup delconsumer k g c", group(GroupOp::RemoveConsumer(text("c"))));
    asks("xack k g 1-1 2-2", KeyOp::Ack(text("k"), text("g"), vec![id(1, 1), id(2, 2)]));
    asks("xinfo stream k", KeyOp::InfoStream(text("k"), None));
    asks("xinfo stream k full", KeyOp::InfoStream(text("k"), Some(10)));
    asks("xinfo stream k full count 0", KeyOp::InfoStream(text("k"), Some(0)));
    asks("xinfo stream k full count -1", KeyOp::InfoStream(text("k"), Some(10)));
    asks("xinfo groups k", KeyOp::InfoGroups(text("k")));
    asks("xinfo consumers k g", KeyOp::InfoConsumers(text("k"), text("g")));
}

#[test]
fn pending_entries_and_claims() {
    let pending = |range| KeyOp::Pending(text("k"), text("g"), range);
    let range =
        PendingRange { idle_ms: 0, start: StreamId::MIN, end: StreamId::MAX, count: 5, consumer: None };
    asks("xpending k g", pending(None));
    asks("xpending k g - + 5", pending(Some(range.clone())));
    let narrow = PendingRange { idle_ms: 9, start: id(1, 1), consumer: Some(text("c")), ..range };
    asks("xpending k g idle 9 (1-0 + 5 c", pending(Some(narrow)));
    let claim = Claim {
        key: text("k"),
        group: text("g"),
        consumer: text("c"),
        idle_ms: 5,
        ids: vec![id(1, 1)],
        delivered: Delivered::Now,
        retries: None,
        force: false,
        just_id: false,
        last_id: None,
    };
    asks("xclaim k g c 5 1-1", KeyOp::Claim(claim.clone()));
    asks("xclaim k g c -5 1-1", KeyOp::Claim(Claim { idle_ms: 0, ..claim.clone() }));
    let whole = Claim {
        ids: vec![id(1, 1), id(2, 0)],
        delivered: Delivered::Ago(3),
        retries: Some(4),
        force: true,
        just_id: true,
        last_id: Some(id(9, 0)),
        ..claim.clone()
    };
    asks("xclaim k g c 5 1-1 2 force justid idle 3 retrycount 4 lastid 9", KeyOp::Claim(whole));
    asks("xclaim k g c 5 1-1 time 77", KeyOp::Claim(Claim { delivered: Delivered::At(77), ..claim }));
    let auto = AutoClaim {
        key: text("k"),
        group: text("g"),
        consumer: text("c"),
        idle_ms: 5,
        start: StreamId::MIN,
        count: 100,
        just_id: false,
    };
    asks("xautoclaim k g c 5 0", KeyOp::AutoClaim(auto.clone()));
    let whole = AutoClaim { start: id(5, 1), count: 3, just_id: true, ..auto };
    asks("xautoclaim k g c 5 (5 justid count 3", KeyOp::AutoClaim(whole));
}

#[test]
fn keys() {
    let keys = || vec![text("a"), text("b"), text("a")];
    asks("del a b a", KeyOp::Delete(keys()));
    asks("unlink a b a", KeyOp::Delete(keys()));
    asks("exists a b a", KeyOp::Exists(keys()));
    asks("touch a b a", KeyOp::Exists(keys()));
    asks("type a", KeyOp::Type(text("a")));
    asks("persist a", KeyOp::Persist(text("a")));
    asks("ttl a", KeyOp::Ttl(text("a"), Unit::Seconds, Clock::Relative));
    asks("pttl a", KeyOp::Ttl(text("a"), Unit::Ms, Clock::Relative));
    asks("expiretime a", KeyOp::Ttl(text("a"), Unit::Seconds, Clock::Absolute));
    asks("pexpiretime a", KeyOp::Ttl(text("a"), Unit::Ms, Clock::Absolute));
    let expire = |time, unit, clock, when| KeyOp::Expire(Expire { key: text("a"), time, unit, clock, when });
    let always = ExpireWhen::default();
    asks("expire a 5", expire(5, Unit::Seconds, Clock::Relative, always));
    asks("pexpire a -5", expire(-5, Unit::Ms, Clock::Relative, always));
    asks(
        "expireat a 5 nx NX",
        expire(5, Unit::Seconds, Clock::Absolute, ExpireWhen { none: true, ..always }),
    );
    let later = ExpireWhen { some: true, later: true, ..always };
    asks("pexpireat a 5 xx gt", expire(5, Unit::Ms, Clock::Absolute, later));
    let earlier = ExpireWhen { earlier: true, ..always };
    asks("pexpireat a 9223372036854775807 lt", expire(i64::MAX, Unit::Ms, Clock::Absolute, earlier));
    asks("flushall", KeyOp::Clear);
    asks("dbsize", KeyOp::Size);
}

#[test]
fn scans() {
    let scan = |from, count, step| KeyCall {
        shape: Shape::Scan(Box::new(step)),
        ..KeyCall::new(KeyOp::Scan(Scan { from, count }))
    };
    asks_call("scan 00", scan(0, 10, ScanStep::default()));
    asks_call("scan -1", scan(u64::MAX, 10, ScanStep::default()));
    let step = ScanStep { pattern: Some(b"a*"[..].into()), none: true, ..ScanStep::default() };
    asks_call("scan 77 match a* count 5 type string", scan(77, 5, step));
    asks_call("scan 0 TYPE Stream", scan(0, 10, ScanStep::default()));
    asks_call("scan 0 count 1000000000", scan(0, 2_000, ScanStep::default()));
    let all = KeyCall::new(KeyOp::Scan(Scan { from: 0, count: u64::MAX }));
    asks_call("keys a*", KeyCall { shape: Shape::Keys(b"a*"[..].into()), ..all });
}

const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const BAD_ID: &str = "ERR Invalid stream ID specified as stream command argument";
const BOTH: &str = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
const LIMIT_EXACT: &str = "ERR syntax error, LIMIT cannot be used without the special ~ option";
const LIMIT_ALONE: &str = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
const XADD_ARITY: &str = "ERR wrong number of arguments for 'xadd' command";
const ZERO: &str = "ERR The ID specified in XADD must be greater than 0-0";
const START: &str = "ERR invalid start ID for the interval";
const LAST: &str = "18446744073709551615-18446744073709551615";

#[track_caller]
fn refuses(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let line = line.replace("LAST", LAST);
        let said = Fixture::open().says(format!("{line}\r\n").as_bytes());
        // Of some commands Redis first says what is not there: then the state is asked, with this text at hand.
        let is_asked = said.starts_with("?Faulty(")
            && said.ends_with(&format!("\"{}\")", expected.as_bytes().escape_ascii()));
        assert!(is_asked || said == format!("-{expected}\r\n"), "{line}: {said}");
    }
}

#[test]
fn an_append_is_refused_in_the_order_that_redis_checks() {
    refuses(&[
        ("xadd k", XADD_ARITY),
        ("xadd k maxlen 5 minid 6 * a b", BOTH),
        ("xadd k maxlen -1 * a b", "ERR The MAXLEN argument must be >= 0."),
        ("xadd k maxlen = * a b", NOT_INTEGER),
        ("xadd k maxlen x * a b", NOT_INTEGER),
        ("xadd k minid x * a b", BAD_ID),
        ("xadd k maxlen 5 limit 5 * a b", LIMIT_EXACT),
        ("xadd k limit 0 * a b", LIMIT_EXACT),
        ("xadd k limit 5 * a b", LIMIT_ALONE),
        ("xadd k maxlen ~ 5 limit -1 * a b", "ERR The LIMIT argument must be >= 0."),
        ("xadd k maxlen ~ 5 limit x * a b", NOT_INTEGER),
        ("xadd k foo a b", BAD_ID),
        ("xadd k foo a b c", BAD_ID),
        ("xadd k - a b", BAD_ID),
        ("xadd k 5-1-2 a b", BAD_ID),
        ("xadd k *-1 a b", BAD_ID),
        ("xadd k 99999999999999999999 a b", BAD_ID),
        ("xadd k nomkstream maxlen 5 x", BAD_ID),
        ("xadd k * a b c", XADD_ARITY),
        ("xadd k 0-0 a b c", XADD_ARITY),
        ("xadd k 0-0 a b", ZERO),
        ("xadd k 0 a b", ZERO),
        // This server's own.
        ("xadd k request \"\" * a b", "ERR REQUEST is empty or too long"),
    ]);
}

#[test]
fn edits_and_ranges_are_refused() {
    refuses(&[
        ("xtrim k foo 5", SYNTAX),
        ("xtrim k maxlen 5 foo", SYNTAX),
        ("xtrim k limit 5", LIMIT_ALONE),
        ("xtrim k maxlen 5 limit 4", LIMIT_EXACT),
        ("xtrim k minid foo", BAD_ID),
        ("xtrim k minid ~ 1-1 limit 0 maxlen 6", BOTH),
        ("xdel k foo", BAD_ID),
        ("xsetid k 5-1 entriesadded", SYNTAX),
        ("xsetid k 5-1 entriesadded -1", "ERR entries_added must be positive"),
        ("xsetid k 5-1 entriesadded x", NOT_INTEGER),
        (
            "xsetid k 5-1 entriesadded 5 maxdeletedid 6-1",
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("xsetid k 5-1 maxdeletedid foo", BAD_ID),
        ("xsetid nokey foo", BAD_ID),
        ("xsetid k 5-1 foo bar", SYNTAX),
        ("xrange k foo +", BAD_ID),
        ("xrange k - (0-0", "ERR invalid end ID for the interval"),
        ("xrange k (LAST +", START),
        ("xrange k - + count", SYNTAX),
        ("xrange k - + count x", NOT_INTEGER),
        ("xrange k - + foo 1", SYNTAX),
        ("xrange k (- +", BAD_ID),
        ("xrange k ( +", BAD_ID),
        ("xrevrange k (0-0 x", BAD_ID),
    ]);
}

#[test]
fn reads_are_refused() {
    let unbalanced =
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
    let unbalanced_group =
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.";
    let no_timeout = "ERR timeout is not an integer or out of range";
    refuses(&[
        ("xread streams k", "ERR wrong number of arguments for 'xread' command"),
        ("xread count x streams k 0", NOT_INTEGER),
        ("xread block -1 streams k 0", "ERR timeout is negative"),
        ("xread block x streams k 0", no_timeout),
        ("xread block 1.5 streams k 0", no_timeout),
        ("xread block 9223372036854775808 streams k 0", no_timeout),
        ("xread streams k 0 j", unbalanced),
        (
            "xread group g c streams k 0",
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "xread noack streams k 0",
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "xread streams k >",
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("xread streams k foo", BAD_ID),
        ("xread streams k -", BAD_ID),
        ("xread foo streams k 0", SYNTAX),
        ("xread count 1 block 1 a", SYNTAX),
        ("xreadgroup count 1 streams a b 0 0", "ERR Missing GROUP option for XREADGROUP"),
        ("xreadgroup group g c streams k j 0", unbalanced_group),
        ("xreadgroup group g c foo streams k 0", SYNTAX),
        ("xreadgroup group g c streams k foo", BAD_ID),
    ]);
    let said = Fixture::open().says(b"xreadgroup group g c streams k $\r\n");
    assert!(said.contains("ERR The $ ID is meaningless in the context of XREADGROUP: "), "{said}");
}

#[test]
fn groups_and_claims_are_refused() {
    let unknown = |container: &str, word: &str| {
        format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP.")
    };
    let (create, set, stream) =
        (unknown("XGROUP", "create"), unknown("XGROUP", "setid"), unknown("XINFO", "stream"));
    refuses(&[
        ("xgroup create", "ERR wrong number of arguments for 'xgroup|create' command"),
        ("xgroup create k g foo", BAD_ID),
        ("xgroup create k g -", BAD_ID),
        ("xgroup create k g $ foo", &create),
        ("xgroup create k g $ entriesread", &create),
        ("xgroup create k g $ entriesread x", NOT_INTEGER),
        ("xgroup create k g $ entriesread -2", "ERR value for ENTRIESREAD must be positive or -1"),
        ("xgroup setid k g 0 mkstream", &set),
        ("xgroup foo a b c", "ERR unknown subcommand 'foo'. Try XGROUP HELP."),
        ("xgroup help x", "ERR wrong number of arguments for 'xgroup|help' command"),
        ("xinfo", "ERR wrong number of arguments for 'xinfo' command"),
        ("xinfo stream k foo", &stream),
        ("xinfo stream k full foo", &stream),
        ("xinfo stream k full count", &stream),
        ("xinfo stream k full count x", NOT_INTEGER),
        ("xpending k g - +", SYNTAX),
        ("xpending k g - + x", NOT_INTEGER),
        ("xpending k g foo + 1", BAD_ID),
        ("xpending k g idle x - + 1", NOT_INTEGER),
        ("xpending k g idle 1 - +", SYNTAX),
        ("xpending k g - + 1 c d e f", SYNTAX),
        ("xpending k g (LAST + 1", START),
        ("xclaim k g c x 1-1", "ERR Invalid min-idle-time argument for XCLAIM"),
        ("xclaim k g c 5 foo", "ERR Unrecognized XCLAIM option 'foo'"),
        ("xclaim k g c 5 1-1 idle", "ERR Unrecognized XCLAIM option 'idle'"),
        ("xclaim k g c 5 1-1 foo 5", "ERR Unrecognized XCLAIM option 'foo'"),
        ("xclaim k g c 5 1-1 idle x", "ERR Invalid IDLE option argument for XCLAIM"),
        ("xclaim k g c 5 1-1 time x", "ERR Invalid TIME option argument for XCLAIM"),
        ("xclaim k g c 5 1-1 retrycount x", "ERR Invalid RETRYCOUNT option argument for XCLAIM"),
        ("xclaim k g c 5 1-1 lastid x", BAD_ID),
        ("xautoclaim k g c x 0", "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        ("xautoclaim k g c 5 foo", BAD_ID),
        ("xautoclaim k g c 5 0 count 0", "ERR COUNT must be > 0"),
        ("xautoclaim k g c 5 0 count x", "ERR COUNT must be > 0"),
        ("xautoclaim k g c 5 0 count 1000000000000000000", "ERR COUNT must be > 0"),
        ("xautoclaim k g c 5 0 count", SYNTAX),
        ("xautoclaim k g c 5 0 foo", SYNTAX),
        ("xautoclaim k g c 5 (LAST", START),
    ]);
}

#[test]
fn keys_are_refused() {
    let not_with_nx = "ERR NX and XX, GT or LT options at the same time are not compatible";
    refuses(&[
        ("expire k x", NOT_INTEGER),
        ("expire k x foo", "ERR Unsupported option foo"),
        ("expire k 9223372036854775807", "ERR invalid expire time in 'expire' command"),
        ("pexpire k 9223372036854775807", "ERR invalid expire time in 'pexpire' command"),
        ("expireat k -9223372036854775807", "ERR invalid expire time in 'expireat' command"),
        ("expire k 5 nx xx", not_with_nx),
        ("expire k 5 gt xx nx", not_with_nx),
        ("expire k 5 gt lt", "ERR GT and LT options at the same time are not compatible"),
        ("scan x", "ERR invalid cursor"),
        ("scan \" 0\"", "ERR invalid cursor"),
        ("scan 18446744073709551616", "ERR invalid cursor"),
        ("scan 0 count 0", SYNTAX),
        ("scan 0 count x", NOT_INTEGER),
        ("scan 0 count", SYNTAX),
        ("scan 0 foo bar", SYNTAX),
        ("flushall x", SYNTAX),
        ("flushall async sync", SYNTAX),
    ]);
}
