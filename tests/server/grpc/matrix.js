// matrix.js: who may what over gRPC: every method by every kind of key, on indices and namespaces of its own and of others.
// What is expected is worked out here, from the rules of docs/security.md; over HTTP ../test_authorisation.py asks the same.
// KEYS: a list of {key, role, collections, namespaces, filter}; the first one may everything.
'use strict';
const {assert, grpc, client, ask, failure, number, test, main, collect} = require('./kit.js');
const holders = JSON.parse(process.env.KEYS);
const [READ, WRITE, ADMIN] = [1, 2, 3], DENIED = 7;
const ROLES = {read: READ, write: WRITE, admin: ADMIN};
const INDICES = ['films', 'books'], NAMESPACES = ['', 'anna', 'bert'];
const values = [1, 2, 3], point = {id: number(1), values, metadata: '{"open":true}'}, schema = {dim: 3};

const services = {};
for (const name of ['Indices', 'Namespaces', 'Snapshots', 'Vectors'])
    services[name] = client('lode.v1.' + name);

// What a method is about: nothing (none), the index by name (name), a namespace's points (part), or all of it (whole). `whole`
// of a part: not for who has a filter. `lost`: something may be gone afterwards.
const method = (path, role, reach, message, more = {}) => ({path, role, reach, message, ...more});
const part = (i, n, rest = {}) => ({index: i, namespace: n, ...rest});
const METHODS = [
    method('Vectors.Query', READ, 'part', (i, n) => part(i, n, {query: {values}})),
    method('Vectors.QueryBatch', READ, 'part', (i, n) => part(i, n, {queries: [{values}]})),
    method('Vectors.Get', READ, 'part', (i, n) => part(i, n, {ids: [number(1)]})),
    method('Vectors.Scroll', READ, 'part', part),
    method('Vectors.Count', READ, 'part', part),
    method('Vectors.Facets', READ, 'part', (i, n) => part(i, n, {field: 'open'})),
    method('Vectors.Sample', READ, 'part', part),
    method('Vectors.Export', READ, 'part', part),
    method('Vectors.Upsert', WRITE, 'part', (i, n) => part(i, n, {points: [point]}), {whole: true}),
    method('Vectors.Import', WRITE, 'part', (i, n) => part(i, n, {points: [point]}), {whole: true}),
    method('Vectors.Delete', WRITE, 'part', (i, n) => part(i, n, {ids: [number(77)]}), {whole: true}),
    method('Vectors.Delete', WRITE, 'part', (i, n) => part(i, n, {filter: '@id = 99'})),
    method('Vectors.Patch', WRITE, 'part', (i, n) => part(i, n, {filter: '@id = 99', change: {metadata: '{"open":true}'}})),
    method('Vectors.Patch', WRITE, 'part', (i, n) => part(i, n, {changes: [{id: number(1), change: {metadata: '{"open":true}'}}]}),
           {whole: true}),
    method('Namespaces.Get', READ, 'part', part, {whole: true}),
    method('Namespaces.Delete', WRITE, 'part', part, {whole: true, lost: true}),
    method('Namespaces.List', READ, 'name', (index) => ({index}), {whole: true}),
    method('Indices.Get', READ, 'name', (name) => ({name})),
    method('Indices.List', READ, 'none', () => ({})),
    method('Indices.ListAliases', READ, 'none', () => ({})),
    method('Indices.Stats', READ, 'whole', (index) => ({index})),
    method('Snapshots.List', READ, 'whole', (index) => ({index})),
    method('Indices.Create', ADMIN, 'whole', (name) => ({name, schema})),
    method('Indices.Update', ADMIN, 'whole', (name) => ({name, schema})),
    method('Indices.Flush', ADMIN, 'whole', (index) => ({index})),
    method('Indices.Compact', ADMIN, 'whole', (index) => ({index})),
    method('Snapshots.Create', ADMIN, 'whole', (index) => ({index, name: 'new'}), {lost: true}),
    method('Snapshots.Delete', ADMIN, 'whole', (index) => ({index, name: 'kept'}), {lost: true}),
    method('Indices.SetAlias', ADMIN, 'whole', (i) => ({name: i + '-alias', target: i}), {alias: true}),
    method('Indices.DeleteAlias', ADMIN, 'whole', (i) => ({name: i + '-alias'}), {alias: true, lost: true}),
    method('Indices.Delete', ADMIN, 'whole', (name) => ({name}), {lost: true}),
];

const fits = (name, pattern) => pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
const among = (name, patterns) => !patterns || patterns.some((pattern) => fits(name, pattern));

function may(holder, method, index, namespace) {
    if (ROLES[holder.role] < method.role)
        return false;
    if (method.reach === 'none')
        return true;
    if (!among(method.alias ? index + '-alias' : index, holder.collections))
        return false;
    if (method.reach === 'whole')
        return !holder.namespaces && !holder.filter;
    if (holder.filter && method.whole)
        return false;
    return method.reach === 'name' || !holder.namespaces || (namespace !== '' && among(namespace, holder.namespaces));
}

// The code that it ended with.
async function call(holder, {path}, message) {
    const [service, name] = path.split('.');
    const metadata = new grpc.Metadata();
    metadata.set('authorization', 'Bearer ' + holder.key);
    try {
        if (name === 'Export') {
            const {error} = await collect(services[service].Export(message, metadata));
            return error ? failure(error).code : 0;
        }
        if (name === 'Import')
            await new Promise((resolve, reject) => {
                const stream = services[service].Import(metadata, (error) => error ? reject(error) : resolve());
                stream.on('error', () => {});
                stream.end(message);
            });
        else
            await ask(services[service], name, message, {}, metadata);
        return 0;
    } catch (error) {
        return failure(error).code;
    }
}

// Everything that a method may have taken away is there again.
async function restore() {
    const all = holders[0];
    const must = async (path, message, ...codes) => {
        const code = await call(all, {path}, message);
        assert([0, ...codes].includes(code), `${path}: ${code}`);
    };
    for (const index of INDICES) {
        await must('Indices.Create', {name: index, schema}, 6);
        for (const namespace of NAMESPACES)
            await must('Vectors.Upsert', {index, namespace, ack: 'ACK_APPLIED', points: [point, {...point, id: number(2)}]});
        await must('Snapshots.Create', {index, name: 'kept'}, 6);
        await must('Snapshots.Delete', {index, name: 'new'}, 5);
        await must('Indices.SetAlias', {name: index + '-alias', target: index});
    }
}

test('every method is asked for', () => {
    const known = Object.entries(services).flatMap(([name, made]) =>
        Object.values(Object.getPrototypeOf(made).constructor.service).map((one) => name + '.' + one.path.split('/').pop()));
    assert.deepStrictEqual(new Set(known), new Set(METHODS.map((one) => one.path)));
});

test('who may what', async () => {
    let asked = 0;
    await restore();
    for (const holder of holders)
        for (const one of METHODS)
            for (const index of one.reach === 'none' ? INDICES.slice(0, 1) : INDICES)
                for (const namespace of one.reach === 'part' ? NAMESPACES : ['']) {
                    const allowed = may(holder, one, index, namespace);
                    const code = await call(holder, one, one.message(index, namespace));
                    const what = JSON.stringify([one.path, {...holder, key: ''}, index, namespace, code]);
                    // Allowed: it succeeds, or is there already, or there is nothing of that name.
                    assert(allowed ? [0, 3, 5, 6].includes(code) : code === DENIED, what);
                    assert(code !== 3 || (one.path.startsWith('Namespaces.') && namespace === ''), what);
                    asked++;
                    if (allowed && one.lost)
                        await restore();
                }
    console.log(`${asked} questions`);
});

test('pages of namespaces tell nothing of those of others', async () => {
    await restore();
    const metadata = new grpc.Metadata();
    const holder = holders.find((one) => one.namespaces && !one.filter && !one.collections);
    metadata.set('authorization', 'Bearer ' + holder.key);
    const told = [];
    let after = '';
    do {
        const page = await ask(services.Namespaces, 'List', {index: 'films', limit: 1, after}, {}, metadata);
        told.push(...page.namespaces.map((one) => one.name), page.next);
        assert(page.namespaces.length === 1 || page.next === '', JSON.stringify(page));
        after = page.next;
    } while (after);
    assert.deepStrictEqual(new Set(told), new Set(['anna', '']));
});

test('no read shows what a filter hides', async () => {
    await restore();
    const hidden = {...point, id: number(9), metadata: '{"open":false,"mark":"hidden"}'}, ids = [number(1), number(9)];
    for (const namespace of ['', 'anna'])
        assert.strictEqual(await call(holders[0], {path: 'Vectors.Upsert'}, part('films', namespace, {points: [hidden]})), 0);
    assert.strictEqual(await call(holders[0], {path: 'Snapshots.Create'}, {index: 'films', name: 'with-hidden'}), 0);
    const given = {with: {metadata: true}}, query = {values, ...given};
    const reads = {
        Query: [{query}, {query: {...query, exact: true}}, {query: {...query, group_by: 'mark'}}, {query: {...query, one_per: 'mark'}},
                {query: {like: number(1), ...given}}, {query: {...query, explain: true}}],
        QueryBatch: [{queries: [query, query]}, {queries: [query, {...query, group_by: 'mark'}]}],
        Get: [{ids, ...given}], Scroll: [given, {order_by: 'mark', ...given}], Count: [{}], Facets: [{field: 'mark'}],
        Sample: [{count: 50, ...given}], Export: [given],
    };
    for (const holder of holders.filter((one) => one.filter && one.role === 'read')) {
        const metadata = new grpc.Metadata();
        metadata.set('authorization', 'Bearer ' + holder.key);
        for (const [name, messages] of Object.entries(reads))
            for (const snapshot of ['', 'with-hidden'])
                for (const message of messages.map((rest) => part('films', holder.namespaces ? 'anna' : '', {...rest, snapshot}))) {
                    const answer = name === 'Export' ? await collect(services.Vectors.Export(message, metadata)) :
                        await ask(services.Vectors, name, message, {}, metadata);
                    const told = JSON.stringify(answer);
                    assert(!told.includes('hidden') && (name !== 'Count' || answer.count === '2'), name + JSON.stringify(message) + told);
                    assert(name === 'Count' || JSON.stringify(message).includes('mark') || told.includes('open'), name + told);
                }
    }
});

main();
