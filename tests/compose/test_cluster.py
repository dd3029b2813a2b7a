"""The profile ``cluster``: three brokers of which one may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient

from tests.compose import traces
from tests.compose.stack import Stack

BROKERS = ["kafka-1", "kafka-2", "kafka-3"]


@pytest.fixture(scope="module")
def cluster(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    stack = new_stack()
    stack.up(*BROKERS, profiles=["cluster"])
    yield stack
    stack.down(wipe=True)


@pytest.fixture(scope="module")
def topic(cluster: Stack) -> str:
    """A topic whose one partition is on all three."""
    traces.make_topic(traces.kafka_conf(cluster.port["kafka-1"]), "copies")
    return "copies"


def test_each_broker_tells_the_host_of_all_three(cluster: Stack) -> None:
    ports = {cluster.port[name] for name in BROKERS}
    for port in ports:
        brokers = AdminClient(traces.kafka_conf(port)).list_topics(timeout=20).brokers.values()
        assert {(each.host, each.port) for each in brokers} == {("127.0.0.1", each) for each in ports}


def test_a_topic_has_three_copies_without_being_asked(cluster: Stack, topic: str) -> None:
    found = AdminClient(traces.kafka_conf(cluster.port["kafka-1"])).list_topics(topic, timeout=20).topics[topic]
    assert sorted(found.partitions[0].replicas) == [1, 2, 3]


def test_the_cluster_serves_another_container(cluster: Stack, topic: str) -> None:
    tool = ["/opt/kafka/bin/kafka-console-producer.sh", "--bootstrap-server", "kafka-2:19092", "--topic", topic]
    cluster.beside("kafka-1", *tool, stdin="from a container\n")
    assert traces.first_record(traces.kafka_conf(cluster.port["kafka-3"]), topic) == b"from a container"


def test_acks_all_go_on_when_the_leader_is_killed(cluster: Stack, topic: str) -> None:
    conf = traces.kafka_conf(*(cluster.port[name] for name in BROKERS))
    leader = AdminClient(conf).list_topics(topic, timeout=20).topics[topic].partitions[0].leader
    cluster.compose("kill", f"kafka-{leader}")
    traces.produce(conf, topic, b"two of three have it")
    cluster.up(*BROKERS, profiles=["cluster"])
    assert leader in AdminClient(conf).list_topics(timeout=20).brokers
