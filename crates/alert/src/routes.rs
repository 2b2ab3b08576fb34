//! Routes: which level goes to which receivers.

use hinomi_model::Level;

use crate::settings::Route;

/// The routes in force.
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// From the configuration.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// Names of the receivers of a level, each once. A route without levels takes Notice and Alert.
    #[must_use]
    pub fn receivers(&self, level: Level) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        if level == Level::None {
            return names;
        }
        for route in &self.0 {
            let takes = route.levels.as_ref().is_none_or(|levels| levels.contains(&level));
            if takes && !names.contains(&route.receiver.as_str()) {
                names.push(&route.receiver);
            }
        }
        names
    }
}
