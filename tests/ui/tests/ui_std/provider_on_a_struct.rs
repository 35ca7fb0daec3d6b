use events_std::provider;

#[provider]
struct Zendesk;

fn main() {}
