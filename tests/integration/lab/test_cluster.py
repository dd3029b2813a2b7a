"""A scratch cluster survives what clusters are for: a leader that dies, a follower that hangs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from helpers import lab
from helpers.lab.runtime import processes
from helpers.lab.scratch.cluster import Cluster
from tests.waiting import PATIENCE, wait_until

# The wait for a place does not count as time of a test.
pytestmark = [pytest.mark.without_mqtt, pytest.mark.timeout(300, func_only=True)]

ORPHANS = """
from helpers import lab
cluster = lab.cluster(brokers=2).start()
print(cluster.controller.pid, *(each.pid for each in cluster.nodes.values()), flush=True)
input()
"""


@pytest.fixture(scope="module")
def cluster(_one_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(tmp_path_factory.mktemp("cluster")))  # an archive may be made there
        with lab.cluster(via_relays=True) as started:  # all of this must hold behind relays, too
            yield started


@pytest.fixture
def admin(cluster: Cluster) -> AdminClient:
    return AdminClient({**cluster.kafka, "log_level": 0})


@pytest.fixture
def topic(admin: AdminClient, unique: Callable[[str], str]) -> str:
    name = unique("copies")
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(30)
    wait_until(lambda: len(partition(admin, name).isrs) == 3, "three copies in sync")
    return name


def partition(admin: AdminClient, topic: str):
    """The metadata of the topic's only partition: leader, replicas, isrs."""
    found = {}

    def listed() -> bool:
        with contextlib.suppress(KafkaException):  # it may have asked the frozen broker
            found.update(admin.list_topics(timeout=1).topics)
        return topic in found and found[topic].error is None and 0 in found[topic].partitions

    wait_until(listed, f"{topic} in the metadata")
    return found[topic].partitions[0]


def test_a_leader_killed_under_acks_all_loses_nothing_and_comes_back(
    cluster: Cluster, admin: AdminClient, topic: str
) -> None:
    stored: list[bytes] = []
    failed: list[object] = []

    def report(error: object, record) -> None:
        failed.append(error) if error else stored.append(record.value())

    producer = Producer({**cluster.kafka, "enable.idempotence": True, "linger.ms": 5, "log_level": 0})
    leader = partition(admin, topic).leader
    place = cluster[leader].kafka
    for number in range(3000):
        producer.produce(topic, b"%d" % number, on_delivery=report)
        if number == 1500:
            wait_until(lambda: producer.poll(0) is not None and stored, "the first report")
            cluster[leader].kill()
    assert producer.flush(PATIENCE) == 0
    assert (len(stored), failed) == (3000, [])
    assert partition(admin, topic).leader not in {leader, -1}

    assert cluster[leader].start().kafka == place
    wait_until(lambda: len(partition(admin, topic).isrs) == 3, "three copies in sync again")
    consumer = Consumer({**cluster.kafka, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read: list[bytes] = []
    wait_until(lambda: read.extend(each.value() for each in consumer.consume(500, 0.5)) or len(read) >= 3000)
    consumer.close()
    assert read == [b"%d" % number for number in range(3000)]


def test_a_frozen_follower_leaves_the_copies_in_sync_and_comes_back(
    cluster: Cluster, admin: AdminClient, topic: str
) -> None:
    follower = next(each for each in partition(admin, topic).replicas if each != partition(admin, topic).leader)
    with cluster[follower].frozen():
        wait_until(lambda: follower not in partition(admin, topic).isrs, "it is out of sync")
        assert cluster[follower].alive
    wait_until(lambda: follower in partition(admin, topic).isrs, "it is in sync again")


def test_a_frozen_line_to_the_leader_holds_records_back_and_loses_none(
    cluster: Cluster, admin: AdminClient, topic: str
) -> None:
    reports: list[object] = []
    producer = Producer({**cluster.kafka, "enable.idempotence": True, "log_level": 0})

    def produce_one() -> None:
        producer.produce(topic, b"reading", on_delivery=lambda error, _: reports.append(error))

    produce_one()
    assert producer.flush(PATIENCE) == 0
    with cluster.relays[partition(admin, topic).leader].frozen():
        produce_one()
        assert producer.flush(0.5) == 1
    assert producer.flush(PATIENCE) == 0
    assert reports == [None, None]


def test_a_fourth_broker_joins_in_a_rack_of_its_own(cluster: Cluster, admin: AdminClient, topic: str) -> None:
    cluster.add()
    nodes = admin.describe_cluster(request_timeout=30).result(30).nodes
    assert {each.id: each.rack for each in nodes} == {1: "a", 2: "b", 3: "c", 4: "d"}
    assert 4 not in partition(admin, topic).replicas
    assert str(cluster[4].kafka["bootstrap.servers"]) in cluster.kafka["bootstrap.servers"]


def test_the_cluster_of_a_killed_kernel_is_ended(_one_cluster: None, tmp_path: Path) -> None:
    env = {**os.environ, "LAB_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANS], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout is not None
        pids = [int(each) for each in kernel.stdout.readline().split()]
        kernel.kill()
    assert len(pids) == 3
    processes.sweep()
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), "all of them are gone")
