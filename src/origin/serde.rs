//! The saved form of what is known of origins: times in seconds, origins as text.

use std::fmt;

use ::serde::de::{Error, Unexpected, Visitor};
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};
use http::Uri;

use super::{Evidence, Origin, OriginSnapshot};

const EXPECTED_SECONDS: &str = "a number of seconds, zero or more";

/// Text such as `https://example.com:8443`.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Takes `scheme://host[:port]`, without a path.
impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Origin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an origin, such as \"https://example.com:8443\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Origin, E> {
                let is_origin = |uri: &Uri| uri.path() == "/" && uri.query().is_none();
                text.parse::<Uri>()
                    .ok()
                    .filter(|uri| is_origin(uri) && !text.ends_with('/'))
                    .and_then(|uri| Origin::of(&uri))
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// A duration in seconds.
pub(super) mod seconds {
    use std::time::Duration;

    use super::{Deserialize, Deserializer, EXPECTED_SECONDS, Error, Serializer, Unexpected};

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        duration(f64::deserialize(deserializer)?)
    }

    pub(super) fn duration<E: Error>(seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &EXPECTED_SECONDS))
    }
}

/// A duration in seconds, or none.
pub(super) mod seconds_or_none {
    use std::time::Duration;

    use super::{Deserialize, Deserializer, Serialize, Serializer, seconds};

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let seconds = duration.as_ref().map(Duration::as_secs_f64);
        seconds.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map(seconds::duration).transpose()
    }
}

/// The version of a snapshot that this version of the crate reads.
pub(super) fn snapshot_version<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == OriginSnapshot::VERSION {
        return Ok(version);
    }
    let expected = format!("version {} of a snapshot", OriginSnapshot::VERSION);
    Err(D::Error::invalid_value(
        Unexpected::Unsigned(version.into()),
        &expected.as_str(),
    ))
}

/// As many observations as one origin has, and none that was found before it was known.
pub(super) fn evidence<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Evidence>, D::Error> {
    let evidence = Vec::<Evidence>::deserialize(deserializer)?;
    if evidence.len() > OriginSnapshot::MAX_EVIDENCE {
        let expected = format!("at most {} observations", OriginSnapshot::MAX_EVIDENCE);
        return Err(D::Error::invalid_length(evidence.len(), &expected.as_str()));
    }
    if let Some(wrong) = evidence.iter().find(|it| it.open > it.idle) {
        return Err(D::Error::invalid_value(
            Unexpected::Float(wrong.open.as_secs_f64()),
            &"an `open` no longer than `idle`",
        ));
    }
    Ok(evidence)
}
