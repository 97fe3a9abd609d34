// A node of webtorrent's bittorrent-dht, ruled by lines on standard input: "search HEX" (a lookup, then an announce)
// and "look_up HEX" (a lookup alone). It ends when its input does.
// Arguments: folder of node_modules, address, port, entry nodes as host:port.
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const [modules, host, port, ...bootstrap] = process.argv.slice(2)
const { Client } = await import(pathToFileURL(`${modules}/bittorrent-dht/index.js`).href)
const ANNOUNCED_PORT = 6881

const dht = new Client({ bootstrap, host })
dht.on('error', (error) => console.log(`error: ${error.message}`))
dht.on('warning', (error) => console.log(`warning: ${error.message}`))
dht.listen(Number(port), host, () => console.log('listening'))

const orders = readline.createInterface({ input: process.stdin })
orders.on('line', (line) => {
  const [order, key] = line.split(' ')
  if (order === 'search') dht.announce(key, ANNOUNCED_PORT, () => console.log(`announced ${key}`))
  else if (order === 'look_up') dht.lookup(key, () => console.log(`looked up ${key}`))
  else console.log(`unknown order: ${line}`)
})
orders.on('close', () => process.exit(0))
