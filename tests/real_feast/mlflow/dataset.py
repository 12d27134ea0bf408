"""Runs `feast mlflow sync-dataset` with a new dataset of three records, and prints what it has written."""

import json

import mlflow.genai.datasets
from feast import FeatureStore
from feast.cli.cli import cli

store = FeatureStore(repo_path=".")
mlflow.set_tracking_uri(store.config.mlflow.get_tracking_uri())
dataset = mlflow.genai.datasets.create_dataset(name="questions", experiment_id="0")
dataset.merge_records(
    [{"inputs": {"q": f"question {n}"}, "expectations": {"expected_response": f"answer {n}"}} for n in range(3)]
)
write = FeatureStore.write_to_online_store
batches = []


def counted(self, name, df, *arguments, **more):
    batches.append(len(df))
    return write(self, name, df, *arguments, **more)


FeatureStore.write_to_online_store = counted
words = ["mlflow", "sync-dataset", "--feature-view", "answers", "--source", "questions"]
cli(words, standalone_mode=False)
tags = mlflow.genai.datasets.get_dataset(name="questions").tags
answers = store.get_online_features(["answers:answer"], [{"question": f"question {n}"} for n in range(3)]).to_dict()
print()
print(json.dumps({"batches": batches, "tags": [key for key in tags if "mlflow" not in key], "answers": answers["answer"]}))
