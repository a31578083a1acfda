// secure.js: TLS with an authority of our own, and keys.
'use strict';
const {assert, grpc, client, ask, fail, number, has, test, main, collect, ca, failure, floats} = require('./kit.js');
const keys = JSON.parse(process.env.KEYS);
const indices = client('lode.v1.Indices'), vectors = client('lode.v1.Vectors'), health = client('grpc.health.v1.Health');

function as(name, header = 'authorization') {
    const metadata = new grpc.Metadata();
    metadata.set(header, header === 'authorization' ? 'Bearer ' + keys[name] : keys[name]);
    return metadata;
}
const askAs = (who, of, method, message) => ask(of, method, message, {}, as(who));
const failAs = (who, of, method, message) => fail(of, method, message, {}, as(who));
const UNAUTHENTICATED = 16, DENIED = 7;

test('keys and roles', async () => {
    await askAs('admin', indices, 'Create', {name: 'k', schema: {dim: 2, fields: [{name: 'who', type: 'FIELD_TYPE_KEYWORD'}]}});
    await askAs('admin', indices, 'Create', {name: 'other', schema: {dim: 2}});
    has(await fail(indices, 'List'), {code: UNAUTHENTICATED, reason: 'unauthenticated'});
    const forged = new grpc.Metadata();
    forged.set('authorization', 'Bearer ' + keys.admin.slice(0, -1) + (keys.admin.endsWith('a') ? 'b' : 'a'));
    has(await fail(indices, 'List', {}, {}, forged), {code: UNAUTHENTICATED, reason: 'unknown_credential'});
    has(await failAs('reader', vectors, 'Upsert', {index: 'k', points: [{id: number(1), values: [1, 2]}]}), {code: DENIED, reason: 'role'});
    has(await failAs('writer', indices, 'Delete', {name: 'k'}), {code: DENIED, reason: 'role'});
    await askAs('writer', vectors, 'Upsert', {index: 'k', points: [{id: number(1), values: [1, 2], metadata: '{"who":"anna"}'},
                                                                   {id: number(2), values: [1, 2], metadata: '{"who":"bert"}'}]});
    has(await askAs('reader', vectors, 'Count', {index: 'k'}), {count: '2'});
    has(await ask(vectors, 'Count', {index: 'k'}, {}, as('reader', 'x-api-key')), {count: '2'});
});

test('keys for some indices', async () => {
    has(await askAs('narrow', vectors, 'Count', {index: 'k'}), {count: '2'});
    has(await failAs('narrow', vectors, 'Count', {index: 'other'}), {code: DENIED, reason: 'collection'});
    has(await failAs('narrow', indices, 'Get', {name: 'other'}), {code: DENIED, reason: 'collection'});
    has(await askAs('narrow', indices, 'List', {}), {names: ['k']});
});

test('an alias is judged by its own name', async () => {
    await askAs('admin', indices, 'SetAlias', {name: 'k-now', target: 'other'});
    await askAs('admin', indices, 'SetAlias', {name: 'o-now', target: 'k'});
    has(await askAs('narrow', indices, 'ListAliases'), {aliases: [{name: 'k-now', target: 'other'}]});
    has(await askAs('narrow', vectors, 'Count', {index: 'k-now'}), {count: '0'});
    // Whoever has it by its alias is led to the new target.
    await askAs('admin', indices, 'SetAlias', {name: 'k-now', target: 'k'});
    has(await askAs('narrow', vectors, 'Count', {index: 'k-now'}), {count: '2'});
    await askAs('admin', indices, 'DeleteAlias', {name: 'k-now'});
    has(await failAs('narrow', vectors, 'Count', {index: 'k-now'}), {code: 5});
});

test('keys for a namespace', async () => {
    has(await failAs('anna', vectors, 'Count', {index: 'k'}), {code: DENIED, reason: 'namespace'});
    await askAs('anna', vectors, 'Upsert', {index: 'k', namespace: 'anna', points: [{id: number(1), values: [1, 2]}]});
    has(await askAs('anna', vectors, 'Count', {index: 'k', namespace: 'anna'}), {count: '1'});
    has(await failAs('anna', vectors, 'Count', {index: 'k', namespace: 'bert'}), {code: DENIED, reason: 'namespace'});
    has(await failAs('anna', indices, 'Stats', {index: 'k'}), {code: DENIED});
    const namespaces = client('lode.v1.Namespaces');
    await askAs('writer', vectors, 'Upsert', {index: 'k', namespace: 'bert', points: [{id: number(1), values: [1, 2]}]});
    has(await askAs('anna', namespaces, 'List', {index: 'k'}), {namespaces: [{name: 'anna'}]});
    for (const name of ['aaa', 'zzz'])
        await askAs('writer', vectors, 'Upsert', {index: 'k', namespace: name, points: [{id: number(1), values: [1, 2]}]});
    const seen = [];
    for (let after = '', pages = 0; pages < 9 && (pages === 0 || after); pages++) {
        const page = await askAs('anna', namespaces, 'List', {index: 'k', limit: 1, after});
        seen.push(...page.namespaces.map((one) => one.name), page.next);
        after = page.next;
    }
    assert.deepStrictEqual(seen, ['anna', 'anna', '']);
    has(await failAs('anna', namespaces, 'Delete', {index: 'k', namespace: 'bert'}), {code: DENIED});
    has(await failAs('anna', namespaces, 'Get', {index: 'k', namespace: 'bert'}), {code: DENIED});
    const {error} = await collect(vectors.Export({index: 'k', namespace: 'bert'}, as('anna')));
    has(failure(error), {code: DENIED});
});

test('idempotency keys of two callers never meet', async () => {
    const once = (i) => ({index: 'k', namespace: 'shared', points: [{id: number(i), values: [1, 2]}], idempotency_key: '1'});
    has(await askAs('writer', vectors, 'Upsert', once(1)), {upserted: '1', repeated: false});
    has(await askAs('admin', vectors, 'Upsert', once(2)), {upserted: '1', repeated: false});
    has(await askAs('writer', vectors, 'Upsert', once(1)), {repeated: true});
    has(await askAs('reader', vectors, 'Count', {index: 'k', namespace: 'shared'}), {count: '2'});
});

test('keys with a filter', async () => {
    has(await askAs('filtered', vectors, 'Count', {index: 'k'}), {count: '1'});
    has((await askAs('filtered', vectors, 'Query', {index: 'k', query: {values: [1, 2]}})).hits, [{id: number('1')}]);
    const {messages} = await collect(vectors.Export({index: 'k'}, as('filtered')));
    has(messages.flatMap((one) => one.points), [{id: number('1')}]);
    has(await failAs('filtered', vectors, 'Upsert', {index: 'k', points: [{id: number(5), values: [1, 2]}]}), {code: DENIED});
    const namespaces = client('lode.v1.Namespaces');
    has(await failAs('filtered', namespaces, 'List', {index: 'k'}), {code: DENIED, reason: 'namespace'});
    // Points that the filter hides would go with it.
    await askAs('writer', vectors, 'Upsert', {index: 'k', namespace: 'carl', points: [{id: number(1), values: [1, 2]}]});
    has(await failAs('filtered', namespaces, 'Delete', {index: 'k', namespace: 'carl'}), {code: DENIED, reason: 'namespace'});
    has(await askAs('writer', vectors, 'Count', {index: 'k', namespace: 'carl'}), {count: '1'});
});

test('streams need keys too; health needs none, reflection one', async () => {
    const {error} = await collect(vectors.Export({index: 'k'}));
    has(failure(error), {code: UNAUTHENTICATED});
    has(await ask(health, 'Check'), {status: 'SERVING'});
    const stream = client('grpc.reflection.v1.ServerReflection').ServerReflectionInfo();
    const done = collect(stream);
    stream.end({list_services: ''});
    has(failure((await done).error), {code: UNAUTHENTICATED});
});

test('without the authority nothing is said', async () => {
    const stranger = client('lode.v1.Indices', grpc.credentials.createSsl());
    has(await fail(stranger, 'List', {}, {deadline: Date.now() + 5000}), {code: 14});
    const clear = client('lode.v1.Indices', grpc.credentials.createInsecure());
    const error = await fail(clear, 'List', {}, {deadline: Date.now() + 5000});
    assert([14, 4, 13].includes(error.code), JSON.stringify(error));
});

assert(ca);
main();
