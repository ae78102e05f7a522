// Package pool keeps a bounded number of warm instances of one actor. It makes an instance when one is needed and no
// instance is free. It lends each to one caller at a time, the most recently used first. It throws an instance away
// after an error, or when it has idled for too long. After its share of calls, when it has grown too large, or after
// every call where that is asked for, it is restored to how it began, or thrown away where that cannot be. A caller
// that finds no instance waits in line, first come first served.
package pool
