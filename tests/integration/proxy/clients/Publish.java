// HiveMQ's client: publish at each QoS, be refused a subscription, and say what was answered.
import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3BlockingClient;
import com.hivemq.client.mqtt.mqtt3.exceptions.Mqtt3SubAckException;
import com.hivemq.client.mqtt.mqtt5.Mqtt5BlockingClient;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5SubAckException;

class Publish {
    public static void main(String[] arguments) {
        String host = arguments[0], version = arguments[2], topic = arguments[3];
        int port = Integer.parseInt(arguments[1]);
        var builder = MqttClient.builder().identifier("hivemq-" + version).serverHost(host).serverPort(port);
        if (version.equals("5")) five(builder.useMqttVersion5().buildBlocking(), topic);
        else three(builder.useMqttVersion3().buildBlocking(), topic);
    }

    static void five(Mqtt5BlockingClient client, String topic) {
        client.connect();
        for (int qos = 0; qos < 2; qos++)
            client.publishWith().topic(topic).qos(MqttQos.fromCode(qos)).payload(("qos " + qos).getBytes()).send();
        try {
            client.subscribeWith().topicFilter("a/#").send();
            System.out.println("subscribed");
        } catch (Mqtt5SubAckException refusal) {
            System.out.println("refused");
        }
        client.unsubscribeWith().topicFilter("a/#").send();
        System.out.println("unsubscribed");
        client.disconnect();
    }

    static void three(Mqtt3BlockingClient client, String topic) {
        client.connect();
        for (int qos = 0; qos < 3; qos++)
            client.publishWith().topic(topic).qos(MqttQos.fromCode(qos)).payload(("qos " + qos).getBytes()).send();
        try {
            client.subscribeWith().topicFilter("a/#").send();
            System.out.println("subscribed");
        } catch (Mqtt3SubAckException refusal) {
            System.out.println("refused");
        }
        client.unsubscribeWith().topicFilter("a/#").send();
        System.out.println("unsubscribed");
        client.disconnect();
    }
}
