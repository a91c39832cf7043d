// SPDX-License-Identifier: Apache-2.0
// Lines "topic hex" to lines of JSON, by the Sparkplug decoder of npm. Usage: node sparkplug_decode.js MODULES_DIR < LINES
const decoder = require(process.argv[2] + '/sparkplug-payload').get('spBv1.0');
for (const line of require('fs').readFileSync(0, 'utf8').split('\n')) {
	const [topic, hex] = line.split(' ');
	if (!hex) continue;
	const payload = decoder.decodePayload(Buffer.from(hex, 'hex'));
	const plain = (_, v) => v && v.toNumber ? v.toNumber() : typeof v === 'bigint' ? Number(v) : v;
	console.log(topic + ' ' + JSON.stringify(payload, plain));
}
