//! What a configuration accepts, which layer wins, and the exact line that a refusal prints.

use std::path::Path;
use std::time::Duration;

use super::{Config, Layer, LogFormat, MemoryMax};
use sluice_engine::zone::settings::Mode;

fn environment(variables: &[(&str, &str)]) -> Layer {
    let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Layer::from_environment(owned).0
}

fn flag(flag: &'static str, key: &str, text: &str) -> Layer {
    let mut layer = Layer::default();
    layer.push_flag(flag, key, Some(text));
    layer
}

/// Loads `text` as a file; errors name it `sluice.toml`, wherever it really lies.
fn load(text: &str, upper: &[Layer]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.toml");
    std::fs::write(&path, text).unwrap();
    let place = format!("{}/", folder.path().display());
    Config::load(Some(&path), upper).map_err(|error| error.to_string().replace(&place, ""))
}

fn refusal(text: &str) -> String {
    let line = load(text, &[]).expect_err(text);
    assert!(!line.contains('\n'), "more than one line: {line}");
    line
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(None, &[]).unwrap();
    assert_eq!(config, Config::default());
    let listen = &config.listen;
    let ports = [listen.resp, listen.http, listen.admin, listen.peer].map(|address| address.to_string());
    assert_eq!(ports, ["127.0.0.1:7379", "127.0.0.1:7380", "127.0.0.1:7381", "127.0.0.1:7382"]);
    assert_eq!(config.memory_max, MemoryMax::Percent(75));
    assert_eq!(config.drain_delay(), Duration::ZERO);
}

#[test]
fn a_full_file_is_read() {
    let text = r#"
        data_dir = "/var/lib/sluice"
        workers = 3
        drain_delay = "2s"
        memory_max = "50%"
        insecure = true
        [listen]
        resp = "0.0.0.0:9000"
        [limits]
        connections = 5000
        request_timeout = "3s"
        [log]
        level = "debug"
        format = "json"
        [cors]
        origins = ["https://shop.example"]
        max_age = "1m"
        [[zone]]
        name = "shop"
        limit = 600
        mode = "paused"
        title = { ko = "대기", en = "Please wait" }
        message = "Soon."
        target_url = "https://shop.example/sale"
        [[zone]]
        name = "event:2"
        limit = 1
    "#;
    let config = load(text, &[]).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/sluice"));
    assert_eq!((config.workers, config.limits.connections), (Some(3), Some(5000)));
    assert_eq!(config.drain_delay(), Duration::from_secs(2));
    assert_eq!(config.memory_max, MemoryMax::Percent(50));
    assert_eq!((config.log.level, config.log.format), (tracing::Level::DEBUG, LogFormat::Json));
    assert_eq!(config.cors.origins, ["https://shop.example"]);
    let names: Vec<&str> = config.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["shop", "event:2"]);
    let shop = &config.zones[0].patch;
    assert_eq!((shop.limit, shop.mode, shop.only_create), (Some(600), Some(Mode::Paused), true));
    assert_eq!(shop.title.len(), 2);
    assert_eq!(shop.message, [("und".to_owned(), "Soon.".to_owned())]);
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file() {
    let file = "workers = 1\n";
    let variable = || environment(&[("SLUICE_WORKERS", "2"), ("HOME", "/root")]);
    assert_eq!(load(file, &[]).unwrap().workers, Some(1));
    assert_eq!(load(file, &[variable()]).unwrap().workers, Some(2));
    assert_eq!(load(file, &[variable(), flag("--workers", "workers", "3")]).unwrap().workers, Some(3));
}

#[test]
fn ports_keep_the_hosts_and_yield_to_a_single_address() {
    let file = "insecure = true\n[listen]\nresp = \"0.0.0.0:1\"\n";
    let mut flags = flag("--http", "listen.http", "127.0.0.1:99");
    flags.push_flag("--ports", "ports", Some("8000"));
    let listen = load(file, &[flags]).unwrap().listen;
    let ports = [listen.resp, listen.http, listen.admin, listen.peer].map(|address| address.to_string());
    assert_eq!(ports, ["0.0.0.0:8000", "127.0.0.1:99", "127.0.0.1:8002", "127.0.0.1:8003"]);
    let any = load("", &[flag("--ports", "ports", "0")]).unwrap().listen;
    assert_eq!((any.resp.port(), any.peer.port()), (0, 0));
}

#[test]
fn variables_of_others_are_handed_back_not_refused() {
    let variables =
        [("SLUICE_SERVICE_HOST", "10.0.0.1"), ("SLUICE_CONFIG", "x"), ("SLUICE_LOG_LEVEL", "warn")];
    let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let (layer, unknown) = Layer::from_environment(owned);
    assert_eq!(unknown, ["SLUICE_SERVICE_HOST"]);
    assert_eq!(Config::load(None, &[layer]).unwrap().log.level, tracing::Level::WARN);
}

#[test]
fn an_unknown_key_is_named_with_what_could_have_been_meant() {
    let top = "ports, listen, data_dir, workers, drain_delay, memory_max, insecure, limits, log, node, cluster, tls, auth, cors, proxies, zone, namespace";
    assert_eq!(refusal("\nlimit = 5"), format!("sluice.toml:2: unknown key `limit`; known here: {top}"));
    assert_eq!(
        refusal("[strange]\na = 1"),
        format!("sluice.toml:1: unknown key `strange`; known here: {top}")
    );
    assert_eq!(
        refusal("[log]\nlevle = \"info\""),
        "sluice.toml:2: unknown key `log.levle`; known here: level, format"
    );
    assert_eq!(
        refusal("listen = 5"),
        "sluice.toml:1: `listen` is a section: write [listen] on a line of its own"
    );
}

#[test]
fn a_bad_value_is_refused_with_what_was_expected() {
    let origins = "must list origins such as \"https://shop.example\" or \"*\", not \"shop.example\"";
    let size =
        "must be a size such as \"2GiB\" or a number of bytes, 16 MiB or more, or a share such as \"75%\"";
    let cases = [
        ("log.level = \"loud\"", "`log.level` must be one of: error, warn, info, debug, trace"),
        ("workers = \"3\"", "`workers` must be a whole number from 1 to 64"),
        ("workers = 0", "`workers` must be a whole number from 1 to 64"),
        ("workers = 99999999999999999999", "`workers` must be a whole number from 1 to 64"),
        ("insecure = 1", "`insecure` must be true or false"),
        (
            "drain_delay = 5",
            "`drain_delay` must be a time such as \"250ms\", \"5s\" or \"2m\", at most 600000 ms",
        ),
        ("memory_max = \"all\"", &format!("`memory_max` {size}")),
        ("memory_max = \"2GB\"", &format!("`memory_max` {size}")),
        ("memory_max = 4096", &format!("`memory_max` {size}")),
        ("data_dir = \"\"", "`data_dir` must not be empty"),
        ("listen.resp = \"7379\"", "`listen.resp` must be IP:PORT such as \"127.0.0.1:7379\", not \"7379\""),
        ("cors.origins = [\"shop.example\"]", &format!("`cors.origins` {origins}")),
    ];
    for (text, line) in cases {
        assert_eq!(refusal(text), format!("sluice.toml:1: {line}"), "{text}");
    }
}

#[test]
fn a_missing_or_empty_file_of_credentials_is_refused() {
    let missing = refusal("[auth]\nresp_users = \"/nowhere/users\"");
    let why = "cannot be read: No such file or directory (os error 2)";
    assert_eq!(missing, format!("sluice.toml:2: `auth.resp_users` names /nowhere/users: {why}"));
    let empty = refusal("[auth]\nresp_users = \"/dev/null\"");
    assert_eq!(empty, "sluice.toml:2: `auth.resp_users` names /dev/null: holds no credential");
    let here = std::env::current_dir().unwrap();
    let relative = refusal("[auth]\nadmin_tokens = \"nosuch\"");
    let names = format!("names nosuch (from the working directory {})", here.display());
    assert_eq!(relative, format!("sluice.toml:2: `auth.admin_tokens` {names}: {why}"));
}

#[test]
fn a_refused_zone_is_named() {
    let zone = |rest: &str| refusal(&format!("[[zone]]\nname = \"shop\"\n{rest}"));
    assert_eq!(zone(""), "sluice.toml:1: `zone.shop` is refused: a new zone needs a limit");
    assert_eq!(zone("limit = 0"), "sluice.toml:1: `zone.shop` is refused: limit must be 1 to 100000000");
    assert_eq!(
        zone("limit = 60\npoll_ms = 3000\nabandon_ms = 8000"),
        "sluice.toml:1: `zone.shop` is refused: abandon_ms must be more than 2 * poll_ms + 2000"
    );
    assert_eq!(
        zone("limit = 60\nmode = \"shut\""),
        "sluice.toml:4: `zone.shop.mode` must be one of: auto, paused, open, closed"
    );
    assert!(
        zone("limits = 60")
            .starts_with("sluice.toml:3: unknown key `zone.shop.limits`; known here: name, limit,")
    );
    assert_eq!(refusal("[[zone]]\nlimit = 1"), "sluice.toml:1: `zone.name` is missing");
    assert_eq!(refusal("[zone]\nlimit = 1"), "sluice.toml:1: `zone` must be written as [[zone]] tables");
    assert_eq!(
        refusal("[[zone]]\nlimit = 1\nname = \"no spaces\""),
        "sluice.toml:3: `zone.name` \"no spaces\": zone names are 1 to 128 bytes of A-Z a-z 0-9 . _ : -"
    );
    let twice = "[[zone]]\nname = \"a\"\nlimit = 1\n".repeat(2);
    assert_eq!(refusal(&twice), "sluice.toml:4: `zone.a` is listed twice");
    assert!(load(&format!("[[zone]]\nname = \"{}\"\nlimit = 1", "a".repeat(128)), &[]).is_ok());
    assert!(load(&format!("[[zone]]\nname = \"{}\"\nlimit = 1", "a".repeat(129)), &[]).is_err());
}

#[test]
fn a_namespace_is_read_or_refused_by_its_prefix() {
    let text = "[[namespace]]\nprefix = \"scan:\"\nmaxlen = 50\nttl_ms = 3600000\nmemory_bytes = 268435456\n\
                on_full = \"drop-oldest\"\n[[namespace]]\nprefix = \"chat:\"";
    let config = load(text, &[]).unwrap();
    let policy = config.namespaces[0].policy;
    assert_eq!((config.namespaces[0].prefix.as_str(), config.namespaces.len()), ("scan:", 2));
    assert_eq!(
        (policy.maxlen, policy.ttl_ms, policy.memory_bytes),
        (Some(50), Some(3_600_000), Some(1 << 28))
    );
    assert_eq!(policy.on_full.word(), "drop-oldest");
    let one = |rest: &str| refusal(&format!("[[namespace]]\nprefix = \"a:\"\n{rest}"));
    for (rest, expected) in [
        (
            "maxlen = 0",
            "sluice.toml:3: `namespace.maxlen` must be a whole number from 1 to 9223372036854775807",
        ),
        ("on_full = \"drop\"", "sluice.toml:3: `namespace.on_full` must be one of: refuse, drop-oldest"),
        (
            "max = 1",
            "sluice.toml:3: unknown key `namespace.max`; known here: prefix, maxlen, ttl_ms, memory_bytes, on_full",
        ),
        (
            "memory_bytes = 8191\n[cluster]\ngroups = 2",
            "sluice.toml:1: `namespace \"a:\"` is refused: memory_bytes must be at least 4096 for each group",
        ),
        ("[[namespace]]\nprefix = \"a:\"", "sluice.toml:3: `namespace \"a:\"` is listed twice"),
        (
            "[[namespace]]\nmaxlen = 1",
            "sluice.toml:3: `namespace \"\"` is refused: prefixes are 1 to 256 bytes",
        ),
    ] {
        assert_eq!(one(rest), expected);
    }
    assert_eq!(
        refusal("namespace = 1"),
        "sluice.toml:1: `namespace` must be written as [[namespace]] tables"
    );
    assert!(load("[[namespace]]\nprefix = \"a\"\nmemory_bytes = 8192\n[cluster]\ngroups = 2", &[]).is_ok());
}

#[test]
fn a_file_that_is_not_toml_points_at_the_line() {
    assert!(refusal("workers = 1\nworkers =\n").starts_with("sluice.toml:2: "));
    assert!(refusal("workers = 1\nworkers = 2\n").starts_with("sluice.toml:2: duplicate key"));
    let missing = Config::load(Some(Path::new("/nowhere/sluice.toml")), &[]).unwrap_err().to_string();
    assert_eq!(missing, "/nowhere/sluice.toml: cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_variable_or_a_flag_is_named_as_the_operator_typed_it() {
    let variable = environment(&[("SLUICE_LISTEN_HTTP", "here")]);
    assert_eq!(
        load("", &[variable]).unwrap_err(),
        "SLUICE_LISTEN_HTTP: `listen.http` must be IP:PORT such as \"127.0.0.1:7379\", not \"here\""
    );
    assert_eq!(
        load("", &[flag("--ports", "ports", "65533")]).unwrap_err(),
        "--ports: `ports` must be a whole number from 0 to 65532"
    );
}

#[test]
fn listening_beyond_this_machine_needs_credentials_or_a_promise() {
    let open = "[listen]\nresp = \"0.0.0.0:7379\"\n";
    assert_eq!(
        refusal(open),
        "`listen.resp` = 0.0.0.0:7379 is open to other machines without credentials: \
         name a file of users in auth.resp_users, or start with --insecure"
    );
    assert!(refusal("[listen]\nadmin = \"[::]:7381\"").starts_with("`listen.admin` = [::]:7381 is open"));
    assert!(
        refusal("[listen]\npeer = \"10.0.0.1:7382\"").starts_with("`listen.peer` = 10.0.0.1:7382 is open")
    );
    assert!(load("[listen]\nhttp = \"0.0.0.0:7380\"", &[]).is_ok(), "zone calls are anonymous");
    let promised = load(open, &[flag("--insecure", "insecure", "true")]).unwrap();
    assert_eq!(promised.drain_delay(), Duration::from_secs(5));
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, format!("app client {}", "0".repeat(64))).unwrap();
    assert!(load(&format!("{open}[auth]\nresp_users = {users:?}"), &[]).is_ok());
}

#[test]
fn a_cluster_is_described() {
    let text = r#"
        listen.peer = "10.0.0.1:7382"
        [node]
        advertise = "node1.example"
        join = "node2.example:7382"
        snapshot_bytes = "8MiB"
        [cluster]
        groups = 3
        heartbeat = "50ms"
        [tls.peers]
        certificate = "node.pem"
        key = "node-key.pem"
        ca = "ca.pem"
    "#;
    let config = load(text, &[]).unwrap();
    assert_eq!(config.node.join.as_deref(), Some("node2.example:7382"));
    assert_eq!((config.node.snapshot_bytes, config.cluster.groups), (8 << 20, 3));
    assert_eq!(config.cluster.heartbeat, Duration::from_millis(50));
    assert_eq!(config.peer_tls.files().map(|files| files.ca.as_path()), Some(Path::new("ca.pem")));
    assert_eq!(config.advertised("10.0.0.1:7382".parse().unwrap()), "node1.example:7382");
    let variables = [("SLUICE_NODE_JOIN", "a:1"), ("SLUICE_TLS_PEERS_CA", "other.pem")];
    let config = load(text, &[environment(&variables)]).unwrap();
    assert_eq!(config.node.join.as_deref(), Some("a:1"));
    assert_eq!(config.peer_tls.ca.as_deref(), Some(Path::new("other.pem")));
}

#[test]
fn an_address_is_advertised_as_others_can_use_it() {
    let address = |text: &str| text.parse().unwrap();
    let bare = Config::default();
    assert_eq!(bare.advertised(address("127.0.0.1:7379")), "127.0.0.1:7379");
    assert_eq!(bare.advertised(address("0.0.0.0:7379")), "127.0.0.1:7379");
    let named = load("node.advertise = \"fd00::1\"", &[]).unwrap();
    assert_eq!(named.advertised(address("0.0.0.0:7379")), "[fd00::1]:7379");
}

#[test]
fn settings_of_a_cluster_fit_each_other() {
    let cases = [
        ("cluster.heartbeat = \"500ms\"", "`cluster.election_min` must be at least 1000 ms, two heartbeats"),
        (
            "cluster.election_max = \"450ms\"",
            "`cluster.election_max` must be longer than `cluster.election_min`, or elections end in ties",
        ),
        ("tls.peers.key = \"k\"", "`tls.peers` lacks `certificate`: certificate, key and ca go together"),
        (
            "listen.peer = \"10.0.0.1:1\"",
            "`listen.peer` = 10.0.0.1:1 is open to other machines without credentials: peers beyond loopback need mutual \
             TLS: name certificate, key and ca in [tls.peers], or start with --insecure",
        ),
        (
            "insecure = true\nlisten.peer = \"0.0.0.0:1\"",
            "`node.advertise` must name the host at which other nodes reach this one, for `listen.peer` is 0.0.0.0:1",
        ),
        ("cluster.groups = 0", "sluice.toml:1: `cluster.groups` must be a whole number from 1 to 64"),
        (
            "[tls.peers]\nfoo = 1",
            "sluice.toml:2: unknown key `tls.peers.foo`; known here: certificate, key, ca, name",
        ),
        (
            "node.join = \"x\"",
            "sluice.toml:1: `node.join` must be HOST:PORT such as \"10.0.0.1:7382\", not \"x\"",
        ),
    ];
    for (text, line) in cases {
        assert_eq!(refusal(text), line);
    }
}
