// services.js: health and reflection, as tools use them.
'use strict';
const {assert, grpc, client, ask, fail, failure, has, test, main, collect, sleep} = require('./kit.js');
const descriptor = require('protobufjs/ext/descriptor');
const protobuf = require('protobufjs');
const health = client('grpc.health.v1.Health');

test('health', async () => {
    has(await ask(health, 'Check'), {status: 'SERVING'});
    has(await ask(health, 'Check', {service: 'lode.v1.Vectors'}), {status: 'SERVING'});
    has(await fail(health, 'Check', {service: 'nobody'}), {code: 5});
});

test('health is watched', async () => {
    for (const [service, status] of [['', 'SERVING'], ['lode.v1.Indices', 'SERVING'], ['nobody', 'SERVICE_UNKNOWN']]) {
        const stream = health.Watch({service});
        stream.on('error', () => {});
        const first = await new Promise((resolve) => stream.once('data', resolve));
        has(first, {status});
        stream.cancel();
        await sleep(600);
    }
});

const first = (stream) => new Promise((resolve) => { stream.once('data', resolve); stream.on('error', () => {}); });

// A connection has at most 128 streams.
test('256 can watch, and hold no thread', async () => {
    const own = [0, 1, 2].map(() => client('grpc.health.v1.Health', null, {'grpc.use_local_subchannel_pool': 1}));
    const streams = Array.from({length: 256}, (_, i) => own[i % 3].Watch({}));
    await Promise.all(streams.map(first));
    const {error} = await collect(health.Watch({}));
    has(failure(error), {code: 8, reason: 'watchers'});
    has(await ask(client('lode.v1.Indices'), 'List'), {});
    has(await fail(client('lode.v1.Indices'), 'Flush', {index: 'nobody'}), {code: 5}); // a slow operation
    const exported = await collect(client('lode.v1.Vectors').Export({index: 'nobody'}));
    has(failure(exported.error), {code: 5});
    has(await ask(health, 'Check'), {status: 'SERVING'});
    streams.forEach((one) => one.cancel());
    let again = null;
    for (let tries = 0; !again && tries < 100; tries++) {
        await sleep(50);
        const stream = health.Watch({});
        again = await Promise.race([first(stream), new Promise((resolve) => stream.once('error', () => resolve(null)))]);
        stream.cancel();
    }
    has(again, {status: 'SERVING'});
    own.forEach((one) => one.close());
});

async function reflect(version, requests) {
    const stream = client(`grpc.reflection.${version}.ServerReflection`).ServerReflectionInfo();
    const done = collect(stream);
    requests.forEach((one) => stream.write(one));
    stream.end();
    const {messages, error} = await done;
    assert.strictEqual(error, null, error && error.details);
    assert.strictEqual(messages.length, requests.length);
    return messages;
}

function fileOf(message) {
    has(message.file_descriptor_response.file_descriptor_proto, [message.file_descriptor_response.file_descriptor_proto[0]]);
    return descriptor.FileDescriptorProto.decode(message.file_descriptor_response.file_descriptor_proto[0]);
}

for (const version of ['v1', 'v1alpha']) {
    test(`reflection ${version}`, async () => {
        const symbols = ['lode.v1.Vectors', 'lode.v1.Vectors.Query', 'lode.v1.QueryRequest', 'lode.v1.Query.k', 'lode.v1.Metric',
                         'lode.v1.Id.kind'];
        const [list, ...rest] = await reflect(version, [{list_services: '*', host: 'h'},
            ...symbols.map((one) => ({file_containing_symbol: one})),
            {file_by_filename: 'lode.proto'}, {file_by_filename: 'grpc/health/v1/health.proto'},
            {file_containing_symbol: 'grpc.health.v1.HealthCheckResponse.ServingStatus'},
            {file_containing_symbol: 'lode.v1.Nobody'}, {file_containing_symbol: 'lode.v1.Vectors.Nobody'}, {file_containing_symbol: ''},
            {file_by_filename: 'nobody.proto'}, {all_extension_numbers_of_type: 'lode.v1.Query'}, {}]);
        has(list, {valid_host: 'h', original_request: {list_services: '*'}});
        assert.deepStrictEqual(list.list_services_response.service.map((one) => one.name).sort(),
            ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection',
             'lode.v1.Indices', 'lode.v1.Namespaces', 'lode.v1.Snapshots', 'lode.v1.Vectors']);
        for (let i = 0; i <= symbols.length; i++)
            assert.strictEqual(fileOf(rest[i]).name, 'lode.proto');
        assert.strictEqual(fileOf(rest[symbols.length + 1]).name, 'grpc/health/v1/health.proto');
        assert.strictEqual(fileOf(rest[symbols.length + 2]).name, 'grpc/health/v1/health.proto');
        for (let i = symbols.length + 3; i < symbols.length + 8; i++)
            has(rest[i], {error_response: {error_code: 5}});
        has(rest[symbols.length + 8], {error_response: {error_code: 3}});
    });
}

test('a client made of what reflection tells', async () => {
    const [message] = await reflect('v1', [{file_containing_symbol: 'lode.v1.Indices'}]);
    const set = descriptor.FileDescriptorSet.create({file: [fileOf(message)]});
    const root = protobuf.Root.fromDescriptor(set);
    const type = root.lookupType('lode.v1.CreateIndexRequest');
    const bytes = type.encode(type.fromObject({name: 'reflected', schema: {dim: 3}})).finish();
    assert(bytes.length > 10);
    const bare = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
    const answer = await new Promise((resolve, reject) => bare.makeUnaryRequest('/lode.v1.Indices/Create', (x) => x, (x) => x,
        Buffer.from(bytes), (error, got) => error ? reject(error) : resolve(got)));
    assert.strictEqual(root.lookupType('lode.v1.Index').decode(answer).name, 'reflected');
    bare.close();
});

// The last one: the server is gone afterwards.
test('who watches is told that the server stops', async () => {
    const stream = health.Watch({});
    const done = collect(stream);
    await new Promise((resolve) => stream.once('data', resolve));
    process.kill(Number(process.env.SERVER_PID), 'SIGTERM');
    const {messages, error} = await done;
    has(messages, [{status: 'SERVING'}, {status: 'NOT_SERVING'}]);
    has(failure(error), {code: 14, reason: 'stopping'});
});

main();
