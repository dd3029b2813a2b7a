// MQTT.js: publish at each QoS, be refused a subscription, and say what was answered.
const mqtt = require("mqtt");

const [host, port, version, topic] = process.argv.slice(2);
const client = mqtt.connect({
  host, port: Number(port), protocolVersion: version === "5" ? 5 : 4, clientId: `mqttjs-${version}`, reconnectPeriod: 0,
});

client.on("error", (error) => { console.log(`error: ${error.message}`); process.exit(1); });
client.on("connect", async () => {
  for (const qos of version === "5" ? [0, 1] : [0, 1, 2]) await client.publishAsync(topic, `qos ${qos}`, { qos });
  await client.subscribeAsync("a/#").then(() => console.log("subscribed"), () => console.log("refused"));
  await client.unsubscribeAsync("a/#");
  console.log("unsubscribed");
  await client.endAsync();
});
