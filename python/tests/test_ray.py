"""Ray Data on a local cluster of three nodes."""

import os

import numpy as np
import pytest
from conftest import DIM, random_rows

# Nothing leaves the machine.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("pandas", reason="Ray Data needs pandas, which is not installed")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    nodes = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**nodes, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(**nodes)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_an_actor_pool_gives_the_bytes_of_one_process(cluster, codec, tmp_path):
    import pyarrow.parquet as parquet

    # Defined here, it travels to the actors by value: they cannot import this file.
    class Encoder:
        """An actor: it has the model once, for all of its batches."""

        def __init__(self, path):
            import vecodec

            self.codec = vecodec.Codec(vecodec.load_model(path), "cpu")

        def __call__(self, batch):
            return self.codec.encode_batch(batch)

    (tmp_path / "in").mkdir()
    codec.model.save(tmp_path / "model.safetensors")
    x = random_rows(900)
    for part in range(3):
        rows = x[300 * part : 300 * (part + 1)]
        values = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), DIM)
        table = pa.table({"id": np.arange(300 * part, 300 * (part + 1)), "embedding": values})
        parquet.write_table(table, tmp_path / f"in/{part}.parquet")
    assert len(ray.nodes()) == 3
    data = ray.data.read_parquet(str(tmp_path / "in"), override_num_blocks=3).map_batches(
        Encoder,
        fn_constructor_args=(str(tmp_path / "model.safetensors"),),
        batch_format="pyarrow",
        batch_size=128,
        concurrency=2,
    )
    data.write_parquet(str(tmp_path / "out"))
    found = parquet.read_table(tmp_path / "out").sort_by("id")
    assert found.column("id").to_pylist() == list(range(900))
    encoded = codec.encode_batch(pa.record_batch({"embedding": pa.FixedSizeListArray.from_arrays(x.reshape(-1), DIM)}))
    assert found.column("embedding").to_pylist() == encoded.column("embedding").to_pylist()
