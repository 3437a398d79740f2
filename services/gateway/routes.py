"""The whole routing table: the longest prefix of whole segments wins, so order is for readers."""

from contracts.http import JOB, SINGLE, Cost
from gateway.domain.doors import ADMIN, MEMBER, NEIGHBOURS, PERSON, PUBLIC
from gateway.domain.routing import table

SELF = "gateway"
CATALOG = "catalog"
TRAINING = "training"
INFERENCE = "inference"
BILLING = "billing"
EXPERIMENTS = "experiments"

#: Hundredths of a billing unit for each row; a test holds them against the ledger.
USERS = Cost(100, rows="user_ids", most=100)
INTERACTIONS = Cost(1, rows="interactions", most=1_000)
EVENTS = Cost(1, rows="events", most=1_000)

PREDICT = MEMBER.with_("predict")
CONVERSIONS = MEMBER.with_(reading="read predict", writing="write predict")

ROUTES = table(
    # prefix                           owner        door          zone         cost
    ("/api/v1/project", CATALOG, MEMBER, "api"),
    ("/api/v1/project_summary", CATALOG, MEMBER, "api"),
    ("/api/v1/training_data", CATALOG, MEMBER, "api"),
    ("/api/v1/item_meta_data", CATALOG, MEMBER, "api"),
    ("/api/items", CATALOG, MEMBER, "api"),
    ("/api/v1/interactions", CATALOG, MEMBER, "api", SINGLE),
    ("/api/v1/interactions/batch", CATALOG, MEMBER, "api", INTERACTIONS),
    ("/api/v1/ingest", CATALOG, MEMBER.with_("write"), "api"),
    # training
    ("/api/v1/split_config", TRAINING, MEMBER, "api"),
    ("/api/v1/evaluation_config", TRAINING, MEMBER, "api"),
    ("/api/v1/model_configuration", TRAINING, MEMBER, "api"),
    ("/api/v1/parameter_tuning_job", TRAINING, MEMBER, "api"),
    ("/api/v1/trained_model", TRAINING, MEMBER, "api"),
    ("/api/v1/task_log", TRAINING, MEMBER, "api"),
    ("/api/v1/retraining_schedule", TRAINING, MEMBER, "api"),
    ("/api/v1/retraining_run", TRAINING, MEMBER, "api"),
    ("/api/v1/algorithms", TRAINING, MEMBER, "api"),
    ("/api/v1/jobs", TRAINING, MEMBER, "api"),
    ("/ws/job", TRAINING, PERSON, "api"),
    # inference
    ("/api/v1/trained_model/*/recommendation", INFERENCE, MEMBER, "api", SINGLE, "GET"),
    ("/api/v1/trained_model/*/sample_recommendation_raw", INFERENCE, MEMBER, "api"),
    (
        "/api/v1/trained_model/*/recommend_using_profile_interaction",
        INFERENCE,
        MEMBER,
        "api",
        SINGLE,
    ),
    ("/api/v1/recommend", INFERENCE, PREDICT, "api", SINGLE),
    ("/api/v1/similar", INFERENCE, PREDICT, "api", SINGLE),
    ("/api/recommendations", INFERENCE, PERSON, "api"),
    ("/api/recommendations/generate", INFERENCE, ADMIN, "api", JOB),
    ("/inference/predict", INFERENCE, PREDICT, "inference", SINGLE),
    ("/inference/predict/*/batch", INFERENCE, PREDICT, "inference", USERS),
    ("/inference/health", INFERENCE, PUBLIC, None),
    ("/inference/models", INFERENCE, PUBLIC, "api"),
    # billing
    ("/api/billing", BILLING, PERSON, "api"),
    ("/api/billing/overage-cap", BILLING, ADMIN, "api"),
    ("/api/billing/checkout", BILLING, ADMIN, "api"),
    ("/api/billing/portal", BILLING, ADMIN, "api"),
    ("/api/billing/plans", BILLING, PUBLIC, "api"),
    ("/api/billing/webhooks", BILLING, PUBLIC, "webhooks"),
    ("/api/billing/test", BILLING, PUBLIC, "api"),
    # experiments
    ("/api/v1/deployment_slot", EXPERIMENTS, MEMBER, "api"),
    ("/api/v1/ab_test", EXPERIMENTS, MEMBER, "api"),
    ("/api/v1/conversion_event", EXPERIMENTS, CONVERSIONS, "api", SINGLE),
    ("/api/v1/conversion_event/batch", EXPERIMENTS, CONVERSIONS, "api", EVENTS),
    ("/api/analytics", EXPERIMENTS, ADMIN, "api"),
    # identity, answered here
    ("/api/auth/login", SELF, PUBLIC, "login"),
    ("/api/auth/register", SELF, PUBLIC, "registration"),
    ("/api/v1/auth/login", SELF, PUBLIC, "login"),
    ("/api/v1/auth/register", SELF, PUBLIC, "registration"),
    ("/api/v1/auth/token", SELF, PUBLIC, "api"),
    ("/api/v1/auth/logout", SELF, PERSON, "api"),
    ("/api/v1/auth/user", SELF, MEMBER, "api"),
    ("/api/v1/auth/password", SELF, PERSON, "api"),
    ("/auth/v1/token", SELF, PUBLIC, "login"),
    ("/auth/v1/signup", SELF, PUBLIC, "registration"),
    ("/auth/v1/user", SELF, PERSON, "api"),
    ("/auth/v1/logout", SELF, PERSON, "api"),
    ("/auth/v1/.well-known/jwks.json", SELF, PUBLIC, None),
    ("/.well-known/jwks.json", SELF, PUBLIC, None),
    ("/api/v1/api_keys", SELF, PERSON, "api"),
    ("/api/v1/users", SELF, PERSON, "api"),
    ("/api/users", SELF, PERSON, "api"),
    ("/api/v1/tenant", SELF, ADMIN, "api"),
    ("/api/v1/tenant_deletion", SELF, PUBLIC, "api"),
    # the platform as a whole; a trailing slash means that path alone
    ("/health", SELF, PUBLIC, None),
    ("/ping", SELF, PUBLIC, None),
    ("/api/v1/ping", SELF, PUBLIC, None),
    ("/api/v1/schema", SELF, PUBLIC, None),
    ("/api/v1/", SELF, PUBLIC, "api"),
    ("/admin", SELF, PUBLIC, "api"),
    ("/admin/login", SELF, PUBLIC, "login"),
    ("/livez", SELF, PUBLIC, None),
    ("/readyz", SELF, PUBLIC, None),
    ("/metrics", SELF, NEIGHBOURS, None),
    files=("/api/v1/training_data", "/api/v1/item_meta_data"),
    # Only for paths that no other route names.
    aliases=(("/api", "/api/v1"),),
)
