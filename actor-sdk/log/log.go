package log

import (
	"fmt"

	actor "github.com/weftlattice/weft/actor-sdk"
	contract "github.com/weftlattice/weft/lattice/contract/logging"
)

// Debug writes text that helps who looks for a fault.
func Debug(text string) { write(contract.Debug, text) }

// Info writes text that an operator wants to see.
func Info(text string) { write(contract.Info, text) }

// Warn writes text about something that is wrong, though work goes on.
func Warn(text string) { write(contract.Warn, text) }

// Error writes text about work that failed.
func Error(text string) { write(contract.Error, text) }

// Debugf is Debug with the formatting of fmt, which makes a TinyGo module some 80 kB larger.
func Debugf(format string, args ...any) { Debug(fmt.Sprintf(format, args...)) }

// Infof is Info with the formatting of fmt.
func Infof(format string, args ...any) { Info(fmt.Sprintf(format, args...)) }

// Warnf is Warn with the formatting of fmt.
func Warnf(format string, args ...any) { Warn(fmt.Sprintf(format, args...)) }

// Errorf is Error with the formatting of fmt.
func Errorf(format string, args ...any) { Error(fmt.Sprintf(format, args...)) }

func write(level, text string) {
	if _, err := actor.CallProvider(contract.ID, "", contract.WriteLog,
		contract.Entry{Level: level, Text: text}.Encode()); err != nil {
		actor.Console(level + ": " + text)
	}
}
