// Package pool keeps a bounded number of warm instances of one actor. An instance is made when it is needed and none is
// free, lent to one caller at a time, the most recently used first, and thrown away after an error or when it has idled
// for too long. After its share of calls, when it has grown too large, or after every call where that is asked for, it
// is restored to how it began, or thrown away where that cannot be. A caller that finds no instance waits in line,
// first come first served.
package pool
