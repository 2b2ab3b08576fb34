//! `hinomi.yaml` as a person writes it, and what it answers.

use std::time::Duration;

use hinomi_alert::settings::Way;
use hinomi_config::{Secret, Size};
use hinomi_model::Level;
use hinomi_pipeline::settings::{Given, GivenMetrics, Settings};

fn env(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("Bearer hunter2".to_owned()),
        "HOOK" => Some("https://hooks.example.com/services/hunter2".to_owned()),
        _ => None,
    }
}

/// Problems or notes as a terminal shows them.
fn said(text: &str) -> String {
    match Settings::parse(text, "hinomi.yaml", &env) {
        Ok((_, notes)) => notes.iter().map(|note| format!("note: {note}\n")).collect(),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

const FIVE_MISTAKES: &str = r#"listen: 0.0.0.0:8119
retention: { state: 400, disk_max: 10GiB }
memory: 512MiB
receivers:
  - name: oncall
    webhook: { url: exmaple }
  - { name: chat, webhook: { url: "https://example.com/chat" } }
routes:
  - { receiver: onkall, levels: [alert] }
  - receiver: chat
"#;

#[test]
fn five_mistakes_give_five_messages() {
    insta::assert_snapshot!(said(FIVE_MISTAKES), @r#"
    hinomi.yaml:1:9: listen: 0.0.0.0:8119 can be reached from other machines, and there is no token; write a token to a file and name it with --token-file or `access: { token: { file: /path } }` (make one with: head -c 24 /dev/urandom | base64); or let everybody in with --insecure or `access: { insecure: true }`
    hinomi.yaml:2:21: retention.state: not a duration: "400"; write it with a unit, like 500ms, 10s, 1h30m, 15d or 13mo
    hinomi.yaml:3:1: memory: unknown key; did you mean "memory_max"?
    hinomi.yaml:6:21: receivers[0].webhook.url: not a URL: "exmaple"; write it like https://example.com/hook
    hinomi.yaml:9:17: routes[0].receiver: no receiver named "onkall"; did you mean "oncall"?
    "#);
}

#[test]
fn what_else_is_refused() {
    let hook = "receivers: [{ name: a, webhook: { url: \"https://example.com/\" } }]\n";
    let table = [
        ("the level none", format!("{hook}routes: [{{ receiver: a, levels: [none, alrt] }}]\n")),
        ("no levels at all", format!("{hook}routes: [{{ receiver: a, levels: [] }}]\n")),
        ("a name twice", "receivers:\n  - { name: a, webhook: { url: \"http://a/\" } }\n  - { name: a, webhook: { url: \"http://b/\" } }\nroutes: [{ receiver: a }]\n".to_owned()),
        ("no webhook", "receivers: [{ name: a }]\n".to_owned()),
        ("headers", "receivers: [{ name: a, webhook: { url: \"http://a/\", headers: { Host: b, X-A: \"b\\nc\", \"a b\": c, X-B: { env: NONE } } } }]\n".to_owned()),
        ("timeout", "receivers: [{ name: a, webhook: { url: \"http://a/\", timeout: 1h } }]\n".to_owned()),
        ("docker over tcp", "docker: { host: \"tcp://10.0.0.1:2375\" }\n".to_owned()),
        ("too little disk", "retention: { disk_max: 1MiB, state: 1h }\nmemory_max: 1MiB\n".to_owned()),
        ("listen without port", "listen: 127.0.0.1\n".to_owned()),
        ("a route to nowhere", "routes: [{ receiver: a }]\n".to_owned()),
        ("metrics", "retention: { metrics: 1m }\nmetrics: { interval: 1ms, durability: fsnyc, admin_api: yes, procfs: proc, query: { timeout: 1h, concurrent: 0, lookback: 1ms } }\n".to_owned()),
        ("a window of nothing is one", "metrics: { out_of_order_window: 0s }\n".to_owned()),
    ];
    let all: String = table.iter().map(|(what, text)| format!("# {what}\n{}", said(text))).collect();
    insta::assert_snapshot!(all, @r#"
    # the level none
    hinomi.yaml:2:34: routes[0].levels[0]: nobody is told of the level none; write notice, alert, or both
    hinomi.yaml:2:40: routes[0].levels[1]: unknown word "alrt"; did you mean "alert"?
    # no levels at all
    hinomi.yaml:2:33: routes[0].levels: a route without levels carries nothing; leave `levels` out for notice and alert
    # a name twice
    hinomi.yaml:3:13: receivers[1].name: a second receiver named "a"; give each its own name
    # no webhook
    hinomi.yaml:1:13: receivers[0]: it does not say how this receiver is reached; add `webhook: { url: "https://example.com/hook" }`, or `slack: …`, or `email: …`
    # headers
    hinomi.yaml:1:70: receivers[0].webhook.headers.Host: Hinomi sets this header itself; leave it out
    hinomi.yaml:1:78: receivers[0].webhook.headers.X-A: not the value of a header; write one line of printable ASCII characters
    hinomi.yaml:1:93: receivers[0].webhook.headers.a b: not the name of a header; write it like Authorization
    hinomi.yaml:1:101: receivers[0].webhook.headers.X-B: the environment variable "NONE" is not set; set it, or use `{ file: /path }`
    # timeout
    hinomi.yaml:1:62: receivers[0].webhook.timeout: 1h is out of range; write one from 100ms to 1m
    # docker over tcp
    hinomi.yaml:1:17: docker.host: this version reaches Docker through a local socket only; write `docker: { host: "unix:///var/run/docker.sock" }`, and run Hinomi on the machine that runs Docker
    # too little disk
    hinomi.yaml:1:24: retention.disk_max: 1MiB is too little to work with; write 64MiB or more
    hinomi.yaml:1:37: retention.state: 1h is out of range; write one from 1d to 3650d
    hinomi.yaml:2:13: memory_max: 1MiB is too little to work with; write 16MiB or more
    # listen without port
    hinomi.yaml:1:9: listen: not an IP address with a port: "127.0.0.1"; write it like 127.0.0.1:80 or "[::1]:80"
    # a route to nowhere
    hinomi.yaml:1:22: routes[0].receiver: no receiver named "a"; add it under `receivers`
    # metrics
    hinomi.yaml:1:23: retention.metrics: 1m is out of range; write one from 1h to 36500d
    hinomi.yaml:2:22: metrics.interval: 1ms is out of range; write one from 1s to 5m
    hinomi.yaml:2:39: metrics.durability: unknown word "fsnyc"; did you mean "fsync"?
    hinomi.yaml:2:57: metrics.admin_api: expected true or false, found "yes"; write `true` or `false`, without quotes
    hinomi.yaml:2:70: metrics.procfs: not an absolute path: "proc"; begin it with `/`
    hinomi.yaml:2:94: metrics.query.timeout: 1h is out of range; write one from 100ms to 10m
    hinomi.yaml:2:110: metrics.query.concurrent: 0 is out of range; write one from 1 to 256
    hinomi.yaml:2:123: metrics.query.lookback: 1ms is out of range; write one from 1s to 1d
    # a window of nothing is one
    "#);
}

#[test]
fn notes_stop_nothing() {
    insta::assert_snapshot!(said(
        "retention: { metrics: 15d, state: 13mo, logs: 7d, disk_max: 10GiB }\n\
         receivers: [{ name: lonely, webhook: { url: \"https://example.com/\" } }]\n"
    ), @r"
    note: hinomi.yaml:1:47: retention.logs: accepted, not used by this version; it takes effect once Hinomi keeps these itself
    note: hinomi.yaml:2:21: receivers[0].name: no route leads to this receiver; add `- { receiver: lonely }` under `routes`
    ");
}

#[test]
fn the_documented_shape_is_read() {
    let text = r#"
listen: 127.0.0.1:8119
data_dir: /srv/hinomi
retention: { metrics: 15d, state: 13mo, logs: 7d, disk_max: 10GiB }
memory_max: 64MiB
host: { name: web-1 }
docker: { enabled: false }
receivers:
  - { name: oncall, webhook: { url: "https://example.com/hook" } }
  - { name: chat, webhook: { url: { env: HOOK }, headers: { Authorization: { env: TOKEN } }, timeout: 3s } }
routes:                      # a route without levels gets Notice and Alert, at once, day and night
  - { receiver: oncall, levels: [alert] }
  - { receiver: chat }
"#;
    let (settings, _) = Settings::parse(text, "hinomi.yaml", &env).unwrap();
    assert_eq!(settings.memory_max, Some(Size(64 << 20)));
    assert_eq!(settings.retention.state, Duration::from_secs(13 * 30 * 86_400));
    let carried: Vec<Vec<bool>> = settings
        .routes
        .iter()
        .map(|route| [Level::None, Level::Notice, Level::Alert].map(|level| route.carries(level)).to_vec())
        .collect();
    assert_eq!(carried, [[false, false, true], [false, true, true]]);
    let Way::Webhook(chat) = &settings.receivers[1].way else { panic!("a webhook") };
    assert_eq!(chat.url.expose().path(), "/services/hunter2");
    assert_eq!(chat.headers["authorization"].expose(), "Bearer hunter2");
    let shown = format!("{settings:?}{}", settings.effective_yaml());
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!(settings.effective_yaml(), @r#"
    listen: 127.0.0.1:8119
    access:
      token: null # none is asked for
      insecure: false
      hosts: []
    tls: null # plain HTTP
    public_url: null # as `listen` says
    data_dir: /srv/hinomi
    retention:
      state: 13mo
      metrics: 15d
      disk_max: 10GiB
    memory_max: 64MiB
    metrics:
      interval: 10s
      durability: fsync
      out_of_order_window: 30m
      promql_experimental: false
      admin_api: false
      procfs: /proc
      sysfs: /sys
      cgroupfs: /sys/fs/cgroup
      query:
        timeout: 2m
        samples_max: 50000000
        series_max: 500000
        concurrent: 8
        lookback: 5m
    host:
      name: web-1
    docker:
      enabled: false
      host: unix:///var/run/docker.sock
    inspections:
      interval: 30s
      memory_limit:
        enabled: true
        from_percent: 80
      cpu_throttled:
        enabled: true
        from_percent: 25
      filesystem:
        enabled: true
        from_percent: 80
      inodes:
        enabled: true
        from_percent: 80
      host_pressure:
        enabled: true
      open_files:
        enabled: true
        from_percent: 90
      pids:
        enabled: true
        from_percent: 90
    working_hours:
      days: [mon, tue, wed, thu, fri]
      from: "09:00"
      to: "19:00"
      time_zone: null # that of this machine
      holidays: null # none
    heartbeat: null # nobody waits for signs of life
    receivers:
      - name: oncall
        language: en
        webhook:
          url: https://example.com/hook
          headers: {}
          timeout: 10s
      - name: chat
        language: en
        webhook:
          url: "<secret>"
          headers:
            authorization: "<secret>"
          timeout: 3s
    routes:
      - receiver: oncall
        levels: [alert]
      - receiver: chat
        levels: [notice, alert]
    "#);
}

#[test]
fn what_the_command_line_says_of_metrics_goes_first() {
    let text = "retention: { metrics: 1d }\nmetrics: { out_of_order_window: 1h, procfs: /a }\n";
    let given = GivenMetrics {
        retention: Some(Duration::from_hours(2)),
        out_of_order_window: Some(Duration::ZERO),
        promql_experimental: true,
        sysfs: Some("/b".into()),
        ..GivenMetrics::default()
    };
    let given = Given { metrics: given, ..Given::default() };
    let (settings, _) = Settings::parse_given(text, "hinomi.yaml", &env, &given).unwrap();
    let metrics = &settings.metrics;
    assert_eq!(settings.retention.metrics, Duration::from_hours(2));
    assert_eq!((metrics.out_of_order_window, metrics.promql_experimental), (Duration::ZERO, true));
    assert_eq!(
        (metrics.admin_api, metrics.procfs.to_str(), metrics.sysfs.to_str()),
        (false, Some("/a"), Some("/b"))
    );
    let retention = &settings.retention;
    let shares = retention.records_disk_max_bytes() + retention.metrics_disk_max_bytes();
    assert_eq!(shares, retention.disk_max.0, "together they stay within the limit");
}

#[test]
fn effective_settings_are_read_back_as_the_same() {
    let text = "host: { name: web-1 }\nreceivers: [{ name: \"a: b\", webhook: { url: \"https://example.com/#x\" } }]\n\
                routes: [{ receiver: \"a: b\" }]\n";
    let (settings, _) = Settings::parse(text, "hinomi.yaml", &env).unwrap();
    let (again, _) = Settings::parse(&settings.effective_yaml(), "effective.yaml", &env).unwrap();
    assert_eq!(again.effective_yaml(), settings.effective_yaml());
    let (empty, notes) = Settings::parse("", "hinomi.yaml", &env).unwrap();
    assert_eq!((empty, notes), (Settings::default(), Vec::new()));
}

/// What is said of `text`, with what the command line says.
fn said_given(text: &str, given: &Given) -> String {
    match Settings::parse_given(text, "hinomi.yaml", &|_| None, given) {
        Ok(_) => "right".to_owned(),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn who_may_listen_beyond_loopback() {
    const OPEN: &str = "listen: 0.0.0.0:8119\n";
    const LONG: &str = "0123456789abcdef";
    let token = |text: &str| Given { token: Some(Secret::new(text)), ..Given::default() };
    let listen = |text: &str| Given { listen: text.parse().ok(), ..Given::default() };
    // File, command line, and whether it is right.
    let table = [
        ("listen: 127.9.9.9:1\n".to_owned(), Given::default(), true),
        ("listen: \"[::ffff:127.0.0.1]:1\"\n".to_owned(), Given::default(), true),
        (OPEN.to_owned(), Given::default(), false),
        ("listen: \"[::]:1\"\n".to_owned(), Given::default(), false),
        (OPEN.to_owned(), listen("127.0.0.1:1"), true),
        (String::new(), listen("0.0.0.0:1"), false),
        (OPEN.to_owned(), token(LONG), true),
        (OPEN.to_owned(), token("0123456789abcde"), false),
        (OPEN.to_owned(), token("0123456789 abcdef"), false),
        (OPEN.to_owned(), Given { insecure: true, ..Given::default() }, true),
        (format!("{OPEN}access: {{ insecure: true }}\n"), Given::default(), true),
        (format!("{OPEN}access: {{ insecure: false }}\n"), Given::default(), false),
        (format!("{OPEN}access: {{ token: {LONG} }}\n"), Given::default(), true),
        (format!("access: {{ token: {LONG} }}\n"), listen("192.0.2.1:1"), true),
        ("access: { token: short }\n".to_owned(), Given::default(), false),
    ];
    for (text, given, right) in table {
        let said = said_given(&text, &given);
        assert_eq!(said == "right", right, "{text:?} {given:?}: {said}");
        assert!(!said.contains("0123456789"), "{said}");
    }
    let env = |name: &str| (name == "HINOMI_TOKEN").then(|| LONG.to_owned());
    let (settings, _) = Settings::parse(OPEN, "hinomi.yaml", &env).unwrap();
    assert_eq!(settings.access.token.as_ref().map(Secret::expose), Some(LONG));
    assert!(!settings.effective_yaml().contains(LONG));
}

#[test]
fn what_is_refused_of_access() {
    let table = [
        "access: { token: short }\nlisten: 0.0.0.0:1\n",
        "access: { hosts: [\"https://a.example\", \"a.example:80\", \"*\", \"\"] }\n",
        "tls: { certificate: /a.pem }\n",
        "tls: { certificate: a.pem, key: /b.pem }\n",
        "public_url: hinomi.example.org\n",
        "public_url: https://example.org/hinomi\n",
        "public_url: https://me:secret@example.org\n",
    ];
    let all: String = table.iter().map(|text| said(text)).collect();
    assert!(!all.contains("secret@"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn where_people_reach_the_page() {
    let table = [
        ("", Some("http://127.0.0.1:8119")),
        ("tls: { certificate: /a.pem, key: /b.pem }\n", Some("https://127.0.0.1:8119")),
        ("public_url: https://Hinomi.example.org/\n", Some("https://hinomi.example.org")),
        ("public_url: https://hinomi.example.org:8443\n", Some("https://hinomi.example.org:8443")),
        ("listen: 0.0.0.0:1\naccess: { insecure: true }\n", None),
    ];
    for (text, want) in table {
        let (settings, _) = Settings::parse(text, "hinomi.yaml", &env).unwrap();
        assert_eq!(settings.url_base().as_deref(), want, "{text}");
    }
    let text = "access: { hosts: [Hinomi.Example.org, \"[2001:DB8::1]\"] }\n";
    let (settings, _) = Settings::parse(text, "hinomi.yaml", &env).unwrap();
    assert_eq!(settings.access.hosts, ["hinomi.example.org", "2001:db8::1"]);
    let (again, _) = Settings::parse(&settings.effective_yaml(), "effective.yaml", &env).unwrap();
    assert_eq!(again.access, settings.access);
}

#[test]
fn docker_host_of_the_environment() {
    let with = |text: &str, host: &str| {
        let host = host.to_owned();
        let env = move |name: &str| (name == "DOCKER_HOST").then(|| host.clone());
        Settings::parse(text, "hinomi.yaml", &env).map(|(settings, _)| settings.docker.host)
    };
    assert_eq!(with("", "unix:///run/user/1000/docker.sock").unwrap(), "unix:///run/user/1000/docker.sock");
    assert_eq!(with("", "").unwrap(), "unix:///var/run/docker.sock");
    assert_eq!(with("docker: { host: \"unix:///x.sock\" }", "ssh://far").unwrap(), "unix:///x.sock");
    assert!(with("docker: { enabled: false }", "ssh://far").is_ok());
    let problems = with("", "ssh://far").unwrap_err();
    assert!(problems[0].to_string().starts_with("environment variable DOCKER_HOST: "), "{}", problems[0]);
}

const REFERENCE: &str = include_str!("../../../docs/reference/config.md");

#[test]
fn the_reference_says_what_is() {
    let env = |name: &str| name.starts_with("CHAT").then(|| "https://example.com/chat".to_owned());
    let example = REFERENCE.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let (settings, notes) = Settings::parse(example, "config.md", &env).unwrap();
    assert_eq!((settings.receivers.len(), settings.routes.len(), notes.len()), (2, 2, 0));

    let problems = REFERENCE.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(said(FIVE_MISTAKES), problems);

    let default = Settings::default();
    for shown in [
        format!("| `{}` |", default.listen),
        format!("| `{}` |", default.data_dir.display()),
        format!("| `{}` |", hinomi_config::decode::duration_text(default.retention.state)),
        format!("| `{}` |", default.retention.disk_max),
        format!("else `{}` |", default.docker.host),
        format!("| `{}` |", hinomi_config::decode::duration_text(default.retention.metrics)),
        format!("| `{}` |", hinomi_config::decode::duration_text(default.metrics.interval)),
        format!("| `{}` |", default.metrics.query.samples_max),
        format!("| `{}` |", default.metrics.query.series_max),
    ] {
        assert!(REFERENCE.contains(&shown), "{shown}");
    }
}

#[test]
fn working_hours_and_inspections() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    std::fs::write(&good, "# Japan\n2026-11-23 Labour Thanksgiving Day\n").unwrap();
    std::fs::write(&bad, "2026-11-23\n2026-13-01\nNew Year\n").unwrap();
    let (good, bad) = (good.display().to_string(), bad.display().to_string());
    let text = format!(
        "working_hours: {{ days: [mon..wed, sat], from: \"22:00\", to: 6:30, time_zone: Asia/Tokyo, holidays: {good} }}\n\
         inspections: {{ interval: 10s, memory_limit: {{ from_percent: 90 }}, host_pressure: {{ enabled: false }} }}\n"
    );
    let (settings, notes) = Settings::parse(&text, "hinomi.yaml", &env).unwrap();
    assert!(notes.is_empty());
    let hours = &settings.working_hours.hours;
    assert_eq!((hours.days.len(), hours.holidays.len(), hours.zone.iana_name()), (4, 1, Some("Asia/Tokyo")));
    let shown = settings.effective_yaml();
    let shown = shown.get(shown.find("inspections:").unwrap()..shown.find("receivers:").unwrap()).unwrap();
    insta::assert_snapshot!(shown.replace(&good, "GOOD"), @r#"
    inspections:
      interval: 10s
      memory_limit:
        enabled: true
        from_percent: 90
      cpu_throttled:
        enabled: true
        from_percent: 25
      filesystem:
        enabled: true
        from_percent: 80
      inodes:
        enabled: true
        from_percent: 80
      host_pressure:
        enabled: false
      open_files:
        enabled: true
        from_percent: 90
      pids:
        enabled: true
        from_percent: 90
    working_hours:
      days: [mon, tue, wed, sat]
      from: "22:00"
      to: "06:30"
      time_zone: Asia/Tokyo
      holidays: GOOD
    heartbeat: null # nobody waits for signs of life
    "#);
    // What is shown is read again as the same.
    let (again, _) = Settings::parse(&settings.effective_yaml(), "hinomi.yaml", &env).unwrap();
    assert_eq!(again, settings);
    let wrong = format!(
        "working_hours:\n  days: [mon..fri, wed]\n  from: \"9\"\n  to: 25:00\n  time_zone: Asia/Tokio\n  holidays: {bad}\n\
         inspections:\n  interval: 1s\n  memory_limit: {{ from_percent: 0 }}\n  host_pressure: {{ from_percent: 5 }}\n  memory: {{}}\n"
    );
    insta::assert_snapshot!(said(&wrong).replace(&bad, "BAD"), @r#"
    hinomi.yaml:2:20: working_hours.days[1]: "wed" is there twice; write each day once
    hinomi.yaml:3:9: working_hours.from: not a time of day: "9"; write it like "09:00", up to "24:00"
    hinomi.yaml:4:7: working_hours.to: not a time of day: "25:00"; write it like "09:00", up to "24:00"
    hinomi.yaml:5:14: working_hours.time_zone: no time zone "Asia/Tokio"; write its IANA name, like Asia/Tokyo or Europe/Berlin
    hinomi.yaml:6:13: working_hours.holidays: BAD:2: not a date: "2026-13-01"; begin each line with a date like 2026-11-23; a name may follow, `#` begins a comment
    hinomi.yaml:6:13: working_hours.holidays: BAD:3: not a date: "New Year"; begin each line with a date like 2026-11-23; a name may follow, `#` begins a comment
    hinomi.yaml:8:13: inspections.interval: 1s is out of range; write one from 5s to 5m
    hinomi.yaml:9:33: inspections.memory_limit.from_percent: 0 is out of range; write one from 1 to 100
    hinomi.yaml:10:20: inspections.host_pressure.from_percent: unknown key; known here: enabled
    hinomi.yaml:11:3: inspections.memory: unknown key; did you mean "memory_limit"?
    "#);
    insta::assert_snapshot!(said("working_hours: { days: [], from: \"09:00\", to: \"09:00\", holidays: /none }\n"), @r#"
    hinomi.yaml:1:16: working_hours: a window from 09:00 to 09:00 has no length; for whole days write `from: "00:00", to: "24:00"`
    hinomi.yaml:1:24: working_hours.days: no day; write the days on which somebody works, like [mon..fri]
    hinomi.yaml:1:66: working_hours.holidays: cannot read the file of holidays /none: No such file or directory (os error 2); check that it exists and that this user may read it
    "#);
}
