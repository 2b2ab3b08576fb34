//! Labels of a container's series.

use hinomi_series::Labels;

use super::ContainerRef;
use crate::metrics::Options;

/// Most labels of a container that become labels of its series.
const LABELS_MAX: usize = 64;
/// Longest value of a label.
const VALUE_MAX_BYTES: usize = 1024;
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// cAdvisor's `id`, `name`, `image` and `container_label_*`, and those of this project beside them.
pub(super) fn of(one: &ContainerRef, path: &str, options: &Options) -> Labels {
    let mut pairs: Vec<(String, &str)> = Vec::new();
    let wanted =
        |name: &str| options.container_labels.as_ref().is_none_or(|list| list.iter().any(|one| one == name));
    for (name, value) in one.labels.iter().filter(|(name, _)| wanted(name)).take(LABELS_MAX) {
        pairs.push((sanitised(name), cut(value)));
    }
    let label = |name: &str| one.labels.get(name).map(|value| cut(value)).unwrap_or_default();
    let own = [
        ("id", path),
        ("name", cut(&one.name)),
        ("image", cut(&one.image)),
        ("host", cut(&options.host)),
        ("container", cut(&one.name)),
        ("compose_project", label(PROJECT)),
        ("compose_service", label(SERVICE)),
    ];
    pairs.extend(own.map(|(name, value)| (name.to_owned(), value)));
    pairs.extend(options.labels.iter().map(|(name, value)| (name.clone(), value.as_str())));
    Labels::from_pairs(pairs)
}

/// `container_label_` and the name, with `_` for whatever metrics don't allow.
fn sanitised(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    "container_label_".chars().chain(name.chars().map(allowed)).take(256).collect()
}

fn cut(value: &str) -> &str {
    value.get(..value.floor_char_boundary(VALUE_MAX_BYTES)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_container() {
        let labels =
            [(PROJECT, "shop"), (SERVICE, "web"), ("org.opencontainers.image/title", "Wéb"), ("empty", "")];
        let one = ContainerRef {
            id: "0a".repeat(32),
            name: "shop_web_1".to_owned(),
            image: "web:1".to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ContainerRef::default()
        };
        let options = Options {
            labels: vec![("job".to_owned(), "cadvisor".to_owned())],
            host: "h1".to_owned(),
            ..Options::default()
        };
        let expected = "{compose_project=\"shop\", compose_service=\"web\", container=\"shop_web_1\", \
            container_label_com_docker_compose_project=\"shop\", container_label_com_docker_compose_service=\"web\", \
            container_label_org_opencontainers_image_title=\"Wéb\", host=\"h1\", id=\"/docker/x\", image=\"web:1\", \
            job=\"cadvisor\", name=\"shop_web_1\"}";
        assert_eq!(of(&one, "/docker/x", &options).to_string(), expected);
        let few = Options { container_labels: Some(vec!["other".to_owned()]), ..Options::default() };
        let expected = "{compose_project=\"shop\", compose_service=\"web\", container=\"shop_web_1\", \
            id=\"/docker/x\", image=\"web:1\", name=\"shop_web_1\"}";
        assert_eq!(of(&one, "/docker/x", &few).to_string(), expected);
    }

    #[test]
    fn values_are_bounded() {
        assert_eq!(cut(&"é".repeat(1000)).len(), 1024);
        assert_eq!(sanitised(&"x".repeat(1000)).len(), 256);
    }
}
