// opening.js: a server whose database takes seconds to open: its key does (../test_grpc.py).
'use strict';
const {assert, client, ask, fail, has, test, main, raw, frame} = require('./kit.js');
const health = client('grpc.health.v1.Health'), vectors = client('lode.v1.Vectors');

test('health tells of it, everything else is unavailable; who watches sees it open', async () => {
    const stream = health.Watch({});
    const seen = [];
    stream.on('error', () => {});
    const opened = new Promise((resolve) => stream.on('data', (message) => {
        seen.push(message.status);
        if (message.status === 'SERVING')
            resolve();
    }));
    has(await ask(health, 'Check'), {status: 'NOT_SERVING'});
    has(await fail(vectors, 'Count', {index: 'x'}), {code: 14, reason: 'not_ready'});
    const answer = await raw('/lode.v1.Vectors/Count', frame(Buffer.alloc(0)));
    assert.strictEqual(answer.headers['grpc-retry-pushback-ms'], '1000');
    await opened;
    assert.deepStrictEqual(seen, ['NOT_SERVING', 'SERVING']);
    stream.cancel();
    has(await ask(health, 'Check'), {status: 'SERVING'});
    has(await fail(vectors, 'Count', {index: 'x'}), {code: 5});
});

main();
