// kit.js: what the scripts of this folder share. They are run by ../test_grpc.py as `node SCRIPT ADDRESS` with
// LODE_SOURCE (protos), NODE_PATH (node_modules) and, for TLS, CA_FILE in the environment.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const http2 = require('node:http2');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(
    ['lode.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto',
     'grpc/reflection/v1alpha/reflection.proto'],
    {includeDirs: [process.env.LODE_SOURCE + '/api'], keepCase: true, defaults: true, longs: String, enums: String,
     oneofs: true});
const packages = grpc.loadPackageDefinition(definition);
const address = process.argv[2];
const ca = process.env.CA_FILE ? fs.readFileSync(process.env.CA_FILE) : null;

const clients = [];
function client(service, credentials, options = {}) {
    const Service = service.split('.').reduce((at, name) => at[name], packages);
    const made = new Service(address, credentials || (ca ? grpc.credentials.createSsl(ca) :
                                                          grpc.credentials.createInsecure()),
                             {'grpc.max_receive_message_length': 64 << 20, 'grpc.max_send_message_length': 64 << 20, ...options,
                              ...(ca && {'grpc.ssl_target_name_override': 'localhost'})});
    clients.push(made);
    return made;
}

// The answer of a call with one message and one answer; throws what the call failed with.
function ask(of, method, message = {}, options = {}, metadata = new grpc.Metadata()) {
    return new Promise((resolve, reject) => {
        of[method](message, metadata, options, (error, answer) => error ? reject(error) : resolve(answer));
    });
}

// The failure of a call: {code, details, lode-code, lode-field}.
async function fail(of, method, message = {}, options = {}, metadata = new grpc.Metadata()) {
    try {
        await ask(of, method, message, options, metadata);
    } catch (error) {
        return failure(error);
    }
    throw new Error(`${method} did not fail`);
}

function failure(error) {
    const get = (name) => error.metadata && error.metadata.get(name)[0];
    return {code: error.code, details: error.details, reason: get('lode-code'), field: get('lode-field'),
            written: get('lode-points-written')};
}

// All messages of a stream that the server sends; {messages, error}.
function collect(stream, each = () => {}) {
    return new Promise((resolve) => {
        const messages = [];
        stream.on('data', (message) => { each(message); messages.push(message); });
        stream.on('error', (error) => resolve({messages, error}));
        stream.on('end', () => resolve({messages, error: null}));
    });
}

// A request of raw bytes over HTTP/2, for what no client library would send: {headers, trailers, data}.
function raw(path, body, headers = {}) {
    return new Promise((resolve, reject) => {
        const session = http2.connect((ca ? 'https://' : 'http://') + address, {ca});
        session.on('error', reject);
        const request = session.request({':method': 'POST', ':path': path, 'content-type': 'application/grpc',
                                         'te': 'trailers', ...headers});
        const answer = {headers: {}, trailers: {}, data: []};
        request.on('response', (got) => { answer.headers = got; });
        request.on('trailers', (got) => { answer.trailers = got; });
        request.on('data', (chunk) => answer.data.push(chunk));
        request.on('error', reject);
        request.on('close', () => { session.close(); resolve(answer); });
        request.end(body);
    });
}

function frame(message, flag = 0) {
    const head = Buffer.alloc(5);
    head[0] = flag;
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
}

const floats = (...values) => Buffer.from(new Float32Array(values.flat()).buffer);
const text = (value) => ({text: value});
const number = (value) => ({number: value});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What is left out of a message that it is compared with is not compared.
function has(value, wanted, path = '') {
    if (wanted === null || typeof wanted !== 'object' || Buffer.isBuffer(wanted))
        return assert.deepStrictEqual(value, wanted, `${path}: ${JSON.stringify(value)}, wanted ${JSON.stringify(wanted)}`);
    if (Array.isArray(wanted))
        assert.strictEqual(value.length, wanted.length, `${path}: ${JSON.stringify(value)}`);
    for (const key of Object.keys(wanted))
        has(value[key], wanted[key], path + '.' + key);
}

const tests = [];
const test = (name, run) => tests.push({name, run});

// Runs them all, one after the other.
async function main() {
    let failed = 0;
    for (const {name, run} of tests) {
        let timer;
        const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('took too long')), 120000); });
        try {
            await Promise.race([run(), late]);
            console.log(`ok    ${name}`);
        } catch (error) {
            failed++;
            console.log(`FAIL  ${name}\n${error && error.stack}\n${JSON.stringify(error && error.details) || ''}`);
        }
        clearTimeout(timer);
    }
    clients.forEach((one) => one.close());
    console.log(`${tests.length - failed} of ${tests.length} passed`);
    process.exit(failed ? 1 : 0);
}

module.exports = {assert, grpc, client, ask, fail, failure, collect, raw, frame, floats, text, number, sleep, has, test,
                  main, ca};
