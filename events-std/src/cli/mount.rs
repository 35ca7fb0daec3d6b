//! A set of subcommands as one type, behind which clap's own stay hidden.

/// Lets a type with one field be mounted as the subcommands of that field are.
macro_rules! mounts {
    ($command:ty, $action:ty) => {
        impl ::clap::FromArgMatches for $command {
            fn from_arg_matches(matches: &::clap::ArgMatches) -> Result<Self, ::clap::Error> {
                <$action>::from_arg_matches(matches).map(Self)
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &::clap::ArgMatches,
            ) -> Result<(), ::clap::Error> {
                self.0.update_from_arg_matches(matches)
            }
        }

        impl ::clap::Subcommand for $command {
            fn augment_subcommands(command: ::clap::Command) -> ::clap::Command {
                <$action>::augment_subcommands(command)
            }

            fn augment_subcommands_for_update(command: ::clap::Command) -> ::clap::Command {
                <$action>::augment_subcommands_for_update(command)
            }

            fn has_subcommand(name: &str) -> bool {
                <$action>::has_subcommand(name)
            }
        }
    };
}

pub(super) use mounts;
