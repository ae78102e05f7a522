package natsauth

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// User is an entry of the list of users that an authority has issued. It holds no secret.
type User struct {
	ID      string       `json:"id"`
	Name    string       `json:"name,omitempty"`
	Roles   []Role       `json:"roles"`
	Lattice lattice.Name `json:"lattice"`
	Issued  time.Time    `json:"issued"`
	Expires time.Time    `json:"expires,omitzero"`
	Revoked time.Time    `json:"revoked,omitzero"`
}

type userList struct {
	Users []User `json:"users"`
}

// Users is the file that lists the users of an authority. It is not needed to admit them, only to find and revoke them.
// One process at a time may change it.
type Users struct{ file string }

// OpenUsers names the file; it need not exist.
func OpenUsers(file string) Users { return Users{file} }

// OpenUsersIn is the list of the realm in a directory.
func OpenUsersIn(dir string) Users { return OpenUsers(filepath.Join(dir, "users.json")) }

// List returns all users, oldest first.
func (u Users) List() ([]User, error) {
	data, err := os.ReadFile(u.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list userList
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read list of NATS users", Entity: u.file, Err: err}
	}
	return list.Users, nil
}

// Add notes a user that was issued.
func (u Users) Add(id Identity) error {
	list, err := u.List()
	if err != nil {
		return err
	}
	return u.write(append(list, User{ID: id.ID, Name: id.Name, Roles: id.Roles, Lattice: id.Lattice, Issued: id.Issued,
		Expires: id.Expires}))
}

// remove forgets a user whose credentials were not handed over.
func (u Users) remove(id string) error {
	list, err := u.List()
	if err != nil {
		return err
	}
	return u.write(slices.DeleteFunc(list, func(user User) bool { return user.ID == id }))
}

// Revoke makes servers refuse the user with that public key, and disconnect it within seconds, its providers too. Doing
// it twice has the effect of doing it once. lattice.ErrNotFound when there is no such user.
func (u Users) Revoke(id string) (User, error) {
	list, err := u.List()
	if err != nil {
		return User{}, err
	}
	i := slices.IndexFunc(list, func(user User) bool { return user.ID == id })
	if i < 0 {
		return User{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "revoke token", Entity: lattice.Printable(id),
			Detail: "no such token was made here; see: weft token list"}
	}
	if list[i].Revoked.IsZero() {
		list[i].Revoked = time.Now().Truncate(time.Second)
	}
	return list[i], u.write(list)
}

// write replaces the file at once, so that a server never reads half of it.
func (u Users) write(list []User) error {
	data, err := json.MarshalIndent(userList{list}, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(u.file), ".users-*") // mode 0600
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "write list of NATS users", Entity: u.file, Err: err}
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), u.file)
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "write list of NATS users", Entity: u.file, Err: err}
	}
	return nil
}
