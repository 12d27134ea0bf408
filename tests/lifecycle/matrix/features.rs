//! The features of the provider, and the versions of Terraform and OpenTofu that have them: the table in
//! `docs/guides/operations.md`. Each trial of `matrix` checks one column.

/// Terraform or OpenTofu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Terraform,
    OpenTofu,
}

/// The columns of the table: the minor versions, all of version 1.
pub const COLUMNS: &[(Product, u32)] = &[
    (Product::Terraform, 6),
    (Product::Terraform, 8),
    (Product::Terraform, 10),
    (Product::Terraform, 11),
    (Product::Terraform, 12),
    (Product::Terraform, 14),
    (Product::Terraform, 15),
    (Product::OpenTofu, 12),
];

/// The features, in the order in which a trial checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Validate,
    Plan,
    Apply,
    EmptyPlan,
    Refresh,
    ImportById,
    GenerateConfig,
    Functions,
    ImportByIdentity,
    Query,
    Actions,
}

impl Feature {
    pub const ALL: [Self; 11] = [
        Self::Validate,
        Self::Plan,
        Self::Apply,
        Self::EmptyPlan,
        Self::Refresh,
        Self::ImportById,
        Self::GenerateConfig,
        Self::Functions,
        Self::ImportByIdentity,
        Self::Query,
        Self::Actions,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Validate => "`validate`",
            Self::Plan => "`plan`",
            Self::Apply => "`apply` and `destroy`",
            Self::EmptyPlan => "an empty plan after an apply",
            Self::Refresh => "a refresh shows drift, and an apply reverts it",
            Self::ImportById => "`import` by ID, followed by an empty plan",
            Self::GenerateConfig => "an `import` block with `-generate-config-out`",
            Self::Functions => "[functions](../functions/render.md)",
            Self::ImportByIdentity => "an `import` block by identity",
            Self::Query => "[`query`](../list-resources/feature_store.md)",
            Self::Actions => "[actions](#actions)",
        }
    }

    /// Returns the first minor version that has the feature; `None` if no version has it.
    fn since(self, product: Product) -> Option<u32> {
        match (self, product) {
            // Terraform 1.6 crashes: its filter does not expect computed attributes with nested attributes.
            (Self::GenerateConfig | Self::Functions, Product::Terraform) => Some(8),
            (Self::ImportByIdentity, _) => Some(12),
            (Self::Query | Self::Actions, Product::Terraform) => Some(14),
            (Self::Query | Self::Actions, Product::OpenTofu) => None,
            _ => Some(6),
        }
    }

    pub fn is_in(self, product: Product, minor: u32) -> bool {
        self.since(product).is_some_and(|since| since <= minor)
    }
}

/// Returns the table in Markdown.
#[allow(dead_code, reason = "the trials do not print it")]
pub fn table() -> String {
    let names = COLUMNS.iter().map(|(product, minor)| match product {
        Product::Terraform => format!(" 1.{minor} |"),
        Product::OpenTofu => format!(" OpenTofu 1.{minor} |"),
    });
    let mut table = format!("| Terraform |{}\n|---|", names.collect::<String>());
    table.push_str(&"---|".repeat(COLUMNS.len()));
    for feature in Feature::ALL {
        let cells = COLUMNS
            .iter()
            .map(|(product, minor)| match feature.is_in(*product, *minor) {
                true => " yes |",
                false => " – |",
            });
        table.push_str(&format!(
            "\n| {} |{}",
            feature.label(),
            cells.collect::<String>()
        ));
    }
    table.push('\n');
    table
}
