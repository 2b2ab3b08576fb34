//! The screen that `hinomi up` and `hinomi server` begin with.

use hinomi_agent::rights::Right;
use hinomi_config::decode::duration_text;
use hinomi_model::Level;
use hinomi_pipeline::settings::Settings;

use super::rights;
use super::style::{Paint, bad, good, labelled, off, paint};
use crate::terminal::Page;

/// Width of the labels.
const LABEL: usize = 8;

/// What the start screen shows.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// The configuration in force.
    pub(crate) settings: &'a Settings,
    /// Its file, if any.
    pub(crate) file: Option<&'a str>,
    /// Address of the API, with scheme.
    pub(crate) api: &'a str,
    /// Why the data folder is another than configured.
    pub(crate) data_dir_note: Option<&'a str>,
    /// State of each collector: name, sees what it should, words. Empty with `hinomi server`.
    pub(crate) collectors: &'a [(String, bool, String)],
    /// Rights of this process. Empty with `hinomi server`.
    pub(crate) rights: &'a [Right],
}

/// The screen.
pub(crate) fn text(page: &Page, banner: &Banner<'_>) -> String {
    let settings = banner.settings;
    let title = paint(page, Paint::Bold, &format!("Hinomi {}", env!("CARGO_PKG_VERSION")));
    let mut out = format!("{title} on {}\n\n", settings.host.name);
    out.push_str(&watching(page, banner));
    let kept = duration_text(settings.retention.state);
    let data =
        format!("{} (kept {kept}, at most {})", settings.data_dir.display(), settings.retention.disk_max);
    out.push_str(&labelled(page, "Data", LABEL, &data));
    if let Some(note) = banner.data_dir_note {
        out.push_str(&labelled(page, "", LABEL, note));
    }
    out.push_str(&labelled(page, "Page", LABEL, &web_page(page, banner)));
    out.push_str(&labelled(page, "API", LABEL, banner.api));
    let file = banner.file.map_or_else(
        || format!("none: there is no {}; every key has its default", crate::config::DEFAULT_FILE),
        str::to_owned,
    );
    out.push_str(&labelled(page, "Config", LABEL, &file));
    out.push_str(&rights::compact(page, banner.rights, LABEL));
    out.push('\n');
    out.push_str(&messages(page, banner));
    out.push('\n');
    let next = [
        ("hinomi findings", "what is wrong now"),
        ("hinomi why NAME", "why a container is as it is"),
        ("hinomi status", "how Hinomi itself is"),
    ];
    for (i, (command, what)) in next.into_iter().enumerate() {
        let label = if i == 0 { "Next" } else { "" };
        out.push_str(&format!("  {label:<LABEL$}  {command:<16} {what}\n"));
    }
    out.push('\n');
    out
}

/// Where the web page is, and whether everybody may see it.
fn web_page(page: &Page, banner: &Banner<'_>) -> String {
    let settings = banner.settings;
    let url = match &settings.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        // All addresses of this machine; this one is right here.
        None => banner.api.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"),
    };
    let local = settings.listen.ip().to_canonical().is_loopback();
    match (&settings.access.token, local) {
        (Some(_), _) => format!("{url} (asks for the token)"),
        (None, true) => format!("{url} (asks for no token)"),
        (None, false) => format!("{url} ({} no token: whoever reaches it sees everything)", bad(page)),
    }
}

fn watching(page: &Page, banner: &Banner<'_>) -> String {
    if banner.collectors.is_empty() {
        let why = "nothing: this process only shows what is stored; `hinomi up` watches";
        return labelled(page, "Watching", LABEL, why);
    }
    let mut out = String::new();
    for (i, (name, ok, words)) in banner.collectors.iter().enumerate() {
        let sign = if *ok { good(page) } else { bad(page) };
        let label = if i == 0 { "Watching" } else { "" };
        out.push_str(&labelled(page, label, LABEL, &format!("{sign} {name}: {words}")));
    }
    out
}

fn messages(page: &Page, banner: &Banner<'_>) -> String {
    let settings = banner.settings;
    if settings.receivers.is_empty() {
        let file = banner.file.unwrap_or(crate::config::DEFAULT_FILE);
        let why = format!(
            "{} no receiver is configured: findings are shown here and in `hinomi findings` only; to be told \
             elsewhere add to {file}:",
            off(page)
        );
        let mut out = labelled(page, "Messages", LABEL, &why);
        out.push_str(
            "\n    receivers:\n      - { name: oncall, webhook: { url: \"https://example.com/hook\" } }\n",
        );
        out.push_str("    routes:\n      - { receiver: oncall }\n");
        return out;
    }
    let routes = hinomi_alert::Routes::new(settings.routes.clone());
    let mut out = String::new();
    for (i, level) in [Level::Alert, Level::Notice].into_iter().enumerate() {
        let label = if i == 0 { "Messages" } else { "" };
        let names = routes.receivers(level);
        let words = if names.is_empty() {
            format!("{} {level}: nobody is told; add a route for it", bad(page))
        } else {
            let hosts = names.iter().map(|name| {
                let receiver = settings.receivers.iter().find(|receiver| receiver.name == *name);
                receiver.map_or_else(String::new, |r| format!("{name} ({})", r.way.host()))
            });
            format!("{} {level} → {}", good(page), hosts.collect::<Vec<_>>().join(", "))
        };
        out.push_str(&labelled(page, label, LABEL, &words));
    }
    out
}
